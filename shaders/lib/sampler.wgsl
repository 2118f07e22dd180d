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

const no_token = Best(-3.4e38, 0xffffffffu);
