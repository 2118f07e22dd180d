// First half of log-probabilities, before sampling changes the logits: of each slice of the vocabulary the likeliest tokens and
// the mass, and a copy of the logits.
//
//   logits      f32 [vocabulary]
//   plain       f32 [vocabulary]: the same
//   candidates  Best [slices, MOST]: the `wanted` likeliest of each slice, likeliest first; no_token where there are no more
//   masses      vec2f [slices]: the largest logit of a slice, and Σ exp(logit − largest)
//   shape       see lib/logprobs.wgsl
//
// A workgroup sees SLICE tokens, and looks through them once for each that is wanted: they are few, and nothing needs sorting.
// Workgroups: x = slices = ceil(vocabulary / SLICE).

import constants::{SLICE, THREADS, MOST};
import package::lib::best::best_of_group;
import package::lib::logprobs::Shape;
import package::lib::sampler::{Best, better, follows, no_token};

@group(0) @binding(0) var<storage, read> logits: array<f32>;
@group(0) @binding(1) var<storage, read_write> plain: array<f32>;
@group(0) @binding(2) var<storage, read_write> candidates: array<Best>;
@group(0) @binding(3) var<storage, read_write> masses: array<vec2f>;
@group(0) @binding(4) var<uniform> shape: Shape;

var<workgroup> sums: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = group.x * SLICE + lane;
  let end = min((group.x + 1u) * SLICE, shape.vocabulary);
  var largest = 0.0;
  var last = no_token;
  for (var rank = 0u; rank < max(shape.wanted, 1u); rank++) {
    var mine = no_token;
    for (var i = first; i < end; i += THREADS) {
      let token = Best(logits[i], i);
      if (rank == 0u || follows(token, last)) { mine = better(mine, token); }
    }
    last = best_of_group(mine, lane);
    workgroupBarrier();
    if (rank == 0u) { largest = last.value; }
    if (lane == 0u && rank < shape.wanted) { candidates[group.x * MOST + rank] = last; }
  }
  var sum = 0.0;
  for (var i = first; i < end; i += THREADS) {
    plain[i] = logits[i];
    sum += exp(logits[i] - largest);
  }
  sums[lane] = sum;
  workgroupBarrier();
  if (lane != 0u) { return; }
  for (var i = 1u; i < THREADS; i++) { sum += sums[i]; }
  masses[group.x] = vec2f(largest, sum);
}
