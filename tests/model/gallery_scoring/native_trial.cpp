// Tries every kernel that runs here against loops in float64, on maps that end exactly where their memory ends.
//
// Compiled with sanitizers and with emulated tiles by test_native_sources.py. Ends with 1 where a logit is wrong.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "scoring_call.h"

extern "C" {
int32_t qaconv_kernel_count();
const char* qaconv_kernel_name(int32_t);
int32_t qaconv_kernel_runs_here(int32_t);
int32_t qaconv_kernel_takes(int32_t, int32_t, int64_t);
int32_t qaconv_score(int32_t, const ScoringCall*, int32_t);
}

namespace {

struct Shape {
  int64_t locations, channels, queries, gallery;
};

// What maps are stored as, and the values that these bytes stand for.
struct Maps {
  std::vector<std::byte> bytes;
  std::vector<double> values;
  std::vector<float> scales;
};

std::mt19937 generator(7);

template <class Stored>
void store(Maps& maps, size_t index, Stored stored, double value) {
  std::memcpy(maps.bytes.data() + index * sizeof(Stored), &stored, sizeof(Stored));
  maps.values[index] = value;
}

void store_bfloat16(Maps& maps, size_t index, float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  bits &= 0xFFFF0000U;
  std::memcpy(&value, &bits, sizeof(bits));
  store(maps, index, static_cast<uint16_t>(bits >> 16), value);
}

Maps draw(int64_t count, const Shape& shape, Format format, float mean) {
  std::normal_distribution<float> normal(mean, 1.0F);
  const size_t elements = static_cast<size_t>(count * shape.locations * shape.channels);
  const size_t element_bytes = format == kFloat32 ? 4 : format == kInt8 ? 1 : 2;
  Maps maps{std::vector<std::byte>(elements * element_bytes), std::vector<double>(elements), {}};
  for (int64_t i = 0; i < count; i++) maps.scales.push_back(0.5F + static_cast<float>(i));
  for (size_t i = 0; i < elements; i++) {
    const float value = normal(generator) / std::sqrt(static_cast<float>(shape.channels));
    const auto quantised = static_cast<int8_t>(std::fmax(-127.0F, std::fmin(127.0F, std::rint(value * 80))));
    if (format == kFloat32) store(maps, i, value, value);
    if (format == kBfloat16) store_bfloat16(maps, i, value);
    if (format == kInt8)
      store(maps, i, quantised, quantised * static_cast<double>(maps.scales[i / (shape.locations * shape.channels)]));
  }
  return maps;
}

double similarity(const Maps& queries, int64_t query, const Maps& gallery, int64_t map, const Shape& shape) {
  double sum = 0;
  for (int64_t channel = 0; channel < shape.channels; channel++)
    sum += queries.values[query * shape.channels + channel] * gallery.values[map * shape.channels + channel];
  return sum;
}

// The logit as the paper says it: every similarity, both maxima, the folded head.
double slow_logit(const Maps& queries, int64_t query, const Maps& gallery, int64_t map, const Shape& shape,
                  const ScoringCall& call) {
  const int64_t locations = shape.locations;
  std::vector<double> of_query(locations, -INFINITY), of_gallery(locations, -INFINITY);
  for (int64_t a = 0; a < locations; a++)
    for (int64_t b = 0; b < locations; b++) {
      const double found = similarity(queries, query * locations + a, gallery, map * locations + b, shape);
      of_query[a] = std::fmax(of_query[a], found);
      of_gallery[b] = std::fmax(of_gallery[b], found);
    }
  double logit = call.bias;
  for (int64_t i = 0; i < locations; i++)
    logit += of_query[i] * call.query_weights[i] + of_gallery[i] * call.gallery_weights[i];
  return logit;
}

// Whether every kernel gives every logit, with one thread and, to the last bit, with three and in other rows.
bool try_shape(const Shape& shape, Format format, float mean, int* comparisons) {
  const Maps queries = draw(shape.queries, shape, format, mean), gallery = draw(shape.gallery, shape, format, -mean);
  std::vector<float> query_weights, gallery_weights;
  std::uniform_real_distribution<float> weight(-1.0F / shape.locations, 2.0F / shape.locations);
  for (int64_t i = 0; i < shape.locations; i++) {
    query_weights.push_back(weight(generator));
    gallery_weights.push_back(weight(generator));
  }
  std::vector<float> logits(shape.queries * shape.gallery), again(logits.size()), in_rows(logits.size());
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < shape.gallery; i++) rows.push_back(shape.gallery - 1 - i / 2);  // backwards, each twice
  ScoringCall call{queries.bytes.data(),
                   gallery.bytes.data(),
                   queries.scales.data(),
                   gallery.scales.data(),
                   nullptr,
                   query_weights.data(),
                   gallery_weights.data(),
                   logits.data(),
                   shape.queries,
                   shape.gallery,
                   shape.locations,
                   shape.channels,
                   -1.5F,
                   format};
  for (int32_t kernel = 0; kernel < qaconv_kernel_count(); kernel++) {
    if (!qaconv_kernel_runs_here(kernel) || !qaconv_kernel_takes(kernel, format, shape.channels)) continue;
    std::fill(logits.begin(), logits.end(), NAN);
    call.logits = logits.data();
    if (qaconv_score(kernel, &call, 1) != 0) return false;
    call.logits = again.data();
    if (qaconv_score(kernel, &call, 3) != 0) return false;
    call.gallery_rows = rows.data();
    call.logits = in_rows.data();
    if (qaconv_score(kernel, &call, 1) != 0) return false;
    call.gallery_rows = nullptr;
    for (size_t i = 0; i < logits.size(); i++, ++*comparisons) {
      const int64_t query = static_cast<int64_t>(i) / shape.gallery, map = static_cast<int64_t>(i) % shape.gallery;
      const double right = slow_logit(queries, query, gallery, map, shape, call);
      const float same = logits[query * shape.gallery + rows[map]];
      const bool is_right = std::fabs(logits[i] - right) <= 2e-5 * std::fmax(1.0, std::fabs(right));
      if (is_right && logits[i] == again[i] && in_rows[i] == same) continue;
      std::printf("%s, format %d, %ld locations, %ld channels: logit %zu is %g, with threads %g, not %g; in a row %g, not %g\n",
                  qaconv_kernel_name(kernel), format, shape.locations, shape.channels, i, logits[i], again[i], right,
                  in_rows[i], same);
      return false;
    }
  }
  return true;
}

}  // namespace

int main() {
  std::string names;
  for (int32_t kernel = 0; kernel < qaconv_kernel_count(); kernel++)
    if (qaconv_kernel_runs_here(kernel)) names += std::string(" ") + qaconv_kernel_name(kernel);
  // The last two have whole strips of 96 and of 64 locations, read where they lie.
  const Shape shapes[] = {{1, 1, 1, 1},    {6, 3, 2, 5},   {7, 2048, 1, 2}, {24, 32, 1, 9}, {50, 100, 1, 3},
                          {33, 130, 3, 0}, {97, 1, 1, 2}, {96, 64, 2, 6}, {64, 128, 1, 9}};
  int comparisons = 0;
  for (const Shape& shape : shapes)
    for (const Format format : {kFloat32, kBfloat16, kInt8})
      for (const float mean : {0.0F, 2.0F})
        if (!try_shape(shape, format, mean, &comparisons)) return 1;
  std::printf("%d logits are right with%s\n", comparisons, names.c_str());
  return 0;
}
