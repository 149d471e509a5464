// What this processor has. Compiled for plain x86-64, unlike the kernels: nothing of a kernel's file may run before.
#pragma once

bool has_avx2();
bool has_avx512();
bool has_avx512_bf16();
bool has_avx512_vnni();
bool has_amx_bf16();
bool has_amx_int8();
