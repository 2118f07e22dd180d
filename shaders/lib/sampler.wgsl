// What the sampling kernels share: their parameters, and the order of "better token".

struct SamplerOptions {
  // 0 is greedy.
  temperature: f32,
  // 1 is off.
  top_p: f32,
  // 0 is off.
  min_p: f32,
  // 0 is off.
  top_k: u32,
  repetition_penalty: f32,
  frequency_penalty: f32,
  presence_penalty: f32,
  seed: u32,
}

// Whether which tokens are left out depends on more than how far each is from the best one.
fn filters_by_rank(options: SamplerOptions) -> bool { return options.top_k > 0u || options.top_p < 1.0; }

// The best logit of a slice and its token.
struct Best {
  value: f32,
  token: u32,
}

// Higher logit first; of equals the lower token, so that the result does not depend on who looked first.
fn better(a: Best, b: Best) -> Best {
  if (b.value > a.value || (b.value == a.value && b.token < a.token)) { return b; }
  return a;
}

// Whether `a` comes behind `b` in that order.
fn follows(a: Best, b: Best) -> bool {
  return a.value < b.value || (a.value == b.value && a.token > b.token);
}

const NO_TOKEN = 0xffffffffu;

// The logit of a token that a mask forbids: below `no_token`, so that it is never the best.
const FORBIDDEN = -3.4028234e38;

const no_token = Best(-3.4e38, NO_TOKEN);

// Better than any token: where a logit is no finite number, none of them means anything.
const broken = Best(3.4028234e38, NO_TOKEN);
