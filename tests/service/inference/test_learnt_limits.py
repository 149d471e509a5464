from service.inference.learnt_limits import LearntLimits


def test_what_did_not_fit_is_not_tried_again_for_a_minute() -> None:
    now = [100.0]
    limits = LearntLimits(lambda: now[0])
    assert limits.of("score", 256) == 256
    limits.learn("score", 200)
    assert (limits.of("score", 256), limits.of("extract", 32)) == (100, 32)
    limits.learn("score", 150)
    assert limits.of("score", 256) == 75
    limits.learn("score", 300)
    assert limits.of("score", 256) == 75, "a larger batch that fails as well raises nothing"
    now[0] += 61
    assert limits.of("score", 256) == 256
    limits.learn("score", 1)
    assert limits.of("score", 256) == 1
