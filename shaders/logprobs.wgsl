// Second half of log-probabilities, behind the choice of a token: what is read back of it.
//
//   plain       f32 [vocabulary]: the logits as the model gave them
//   candidates  Best [slices, MOST] from logprobs_slices
//   masses      vec2f [slices] from logprobs_slices
//   ids         u32: ids[0] is the token that was chosen, or NO_TOKEN
//   record      u32 [2 + 2·wanted]: that token and its log-probability, then the likeliest tokens with theirs, likeliest first;
//               NO_TOKEN where the vocabulary has no more
//   shape       see lib/logprobs.wgsl
//
// ln p = logit − largest − ln Σ exp(logit − largest).
//
// One workgroup.

import constants::{THREADS, MOST};
import package::lib::best::best_of_group;
import package::lib::logprobs::Shape;
import package::lib::sampler::{Best, better, follows, no_token};

@group(0) @binding(0) var<storage, read> plain: array<f32>;
@group(0) @binding(1) var<storage, read> candidates: array<Best>;
@group(0) @binding(2) var<storage, read> masses: array<vec2f>;
@group(0) @binding(3) var<storage, read> ids: array<u32>;
@group(0) @binding(4) var<storage, read_write> record: array<u32>;
@group(0) @binding(5) var<uniform> shape: Shape;

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) lane: u32) {
  var largest = masses[0].x;
  for (var i = 1u; i < shape.slices; i++) { largest = max(largest, masses[i].x); }
  var sum = 0.0;
  for (var i = 0u; i < shape.slices; i++) { sum += masses[i].y * exp(masses[i].x - largest); }
  let log_sum = log(sum);
  if (lane == 0u) {
    let token = ids[0];
    record[0] = token;
    record[1] = bitcast<u32>(plain[min(token, shape.vocabulary - 1u)] - largest - log_sum);
  }
  var last = no_token;
  for (var rank = 0u; rank < shape.wanted; rank++) {
    var mine = no_token;
    for (var i = lane; i < shape.slices * shape.wanted; i += THREADS) {
      let token = candidates[i / shape.wanted * MOST + i % shape.wanted];
      if (rank == 0u || follows(token, last)) { mine = better(mine, token); }
    }
    last = best_of_group(mine, lane);
    workgroupBarrier();
    if (lane == 0u) {
      record[2u + 2u * rank] = last.token;
      record[3u + 2u * rank] = bitcast<u32>(last.value - largest - log_sum);
    }
  }
}
