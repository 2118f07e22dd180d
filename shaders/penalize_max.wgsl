// First half of sampling: penalties and biases on the logits, and the best token of each slice of the vocabulary.
//
//   logits   f32 [VOCABULARY], changed in place when `penalties`
//   best     Best [slices]
//   options  SamplerOptions        (these three only with `penalties`)
//   history  u32 [VOCABULARY]: times a token was generated, plus 2^31 if it is in the prompt
//   bias     f32 [VOCABULARY]
//
// Repetition: a logit of a token in the context is divided by the penalty if positive, else multiplied (arXiv
// 1909.05858). Frequency and presence: minus frequency·times generated, minus presence if generated at all (OpenAI API).
//
// A slice with a logit that is not finite has no best token: its `best` is `broken`, which is better than all others.
//
// A workgroup sees SLICE tokens. Workgroups: x = ceil(VOCABULARY / SLICE).

import constants::{VOCABULARY, SLICE, THREADS};
import package::lib::sampler::{SamplerOptions, Best, better, broken, is_finite, no_token};

@group(0) @binding(0) var<storage, read_write> logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> best: array<Best>;
@if(penalties) @group(0) @binding(2) var<storage, read> options: SamplerOptions;
@if(penalties) @group(0) @binding(3) var<storage, read> history: array<u32>;
@if(penalties) @group(0) @binding(4) var<storage, read> bias: array<f32>;

var<workgroup> partial: array<Best, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var mine = no_token;
  let last = min((group.x + 1u) * SLICE, u32(VOCABULARY));
  for (var i = group.x * SLICE + lane; i < last; i += THREADS) {
    var logit = logits[i];
    if (!is_finite(logit)) {
      mine = broken;
      continue;
    }
    @if(penalties) {
      let seen = history[i];
      let generated = seen & 0x7fffffffu;
      if (seen != 0u) {
        logit = select(logit * options.repetition_penalty, logit / options.repetition_penalty, logit > 0.0);
      }
      if (generated != 0u) {
        logit -= f32(generated) * options.frequency_penalty + options.presence_penalty;
      }
      logit += bias[i];
      logits[i] = logit;
    }
    mine = better(mine, Best(logit, i));
  }
  partial[lane] = mine;
  workgroupBarrier();
  if (lane != 0u) { return; }
  for (var i = 1u; i < THREADS; i++) { mine = better(mine, partial[i]); }
  best[group.x] = mine;
}
