// First half of sampling: penalties and biases on the logits, and the best token of each slice of the vocabulary.
//
//   logits   f32 [VOCABULARY], changed in place when `penalties` or `masked`
//   best     Best [slices]
//   options  SamplerOptions        (these three only with `penalties`)
//   history  u32 [VOCABULARY]: times a token was generated, plus 2^31 if it is in the prompt
//   bias     f32 [VOCABULARY]
//   mask     u32 [ceil(VOCABULARY / 32)], only with `masked`: bit token % 32 of word token / 32 is set if the token may come
//
// Repetition: a logit of a token in the context is divided by the penalty if positive, else multiplied (arXiv
// 1909.05858). Frequency and presence: minus frequency·times generated, minus presence if generated at all (OpenAI API).
//
// With `masked`, whatever penalties and biases make of a token that must not come, its logit becomes FORBIDDEN, and a slice
// without others has `no_token`.
//
// A slice with a logit that is not finite has no best token: its `best` is `broken`, which is better than all others. Whether
// that token may come makes no difference: the model is as broken.
//
// A workgroup sees SLICE tokens, four at a time. Workgroups: x = ceil(VOCABULARY / SLICE).

import constants::{VOCABULARY, SLICE, THREADS};
import package::lib::best::best_of_group;
import package::lib::finite::is_finite;
import package::lib::sampler::{FORBIDDEN, SamplerOptions, Best, better, broken, no_token};

@group(0) @binding(0) var<storage, read_write> logits: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> best: array<Best>;
@if(penalties) @group(0) @binding(2) var<storage, read> options: SamplerOptions;
@if(penalties) @group(0) @binding(3) var<storage, read> history: array<vec4u>;
@if(penalties) @group(0) @binding(4) var<storage, read> bias: array<vec4f>;
@if(masked) @group(0) @binding(5) var<storage, read> mask: array<u32>;

@if(penalties)
fn penalised(before: f32, seen: u32, added: f32) -> f32 {
  var logit = before;
  let generated = seen & 0x7fffffffu;
  if (seen != 0u) {
    logit = select(logit * options.repetition_penalty, logit / options.repetition_penalty, logit > 0.0);
  }
  if (generated != 0u) { logit -= f32(generated) * options.frequency_penalty + options.presence_penalty; }
  return logit + added;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var mine = no_token;
  let last = min((group.x + 1u) * SLICE, u32(VOCABULARY));
  for (var i = group.x * (SLICE / 4u) + lane; 4u * i < last; i += THREADS) {
    let before = logits[i];
    @if(penalties) let seen = history[i];
    @if(penalties) let added = bias[i];
    // The bits of these four tokens come first.
    @if(masked) let bits = mask[i / 8u] >> (4u * (i % 8u));
    @unroll(c, 4) {
      let token$c = 4u * i + $cu;
      @if(penalties) let wanted$c = penalised(before[$c], seen[$c], added[$c]);
      @if(!penalties) let wanted$c = before[$c];
      @if(masked) let logit$c = select(FORBIDDEN, wanted$c, (bits & (1u << $cu)) != 0u);
      @if(!masked) let logit$c = wanted$c;
      // What was no number, penalties make none.
      if (token$c < last) {
        if (is_finite(before[$c])) { mine = better(mine, Best(logit$c, token$c)); } else { mine = broken; }
      }
    }
    @if(penalties || masked) logits[i] = vec4f(logit0, logit1, logit2, logit3);
  }
  let result = best_of_group(mine, lane);
  if (lane == 0u) { best[group.x] = result; }
}
