// Second step of a draw: of each part of the vocabulary, the mass and the bins of its tokens (lib/survey), or the token that is
// drawn of it, where neither top_k nor top_p leaves any out: min_p needs to know no more than the best token.
//
//   best     Best [SLICES] from penalize_max
//   logits   f32 [VOCABULARY]
//   options  SamplerOptions
//   state    State
//   survey   Survey with parts [ceil(VOCABULARY / PART)], whose bins are 0
//
// A workgroup sees PART tokens, four at a time. Bins are integers, so that it makes no difference who comes first.
// Workgroups: x = ceil(VOCABULARY / PART).

import constants::{VOCABULARY, SLICES, PART, THREADS};
import package::lib::best::best_of_group;
import package::lib::draw::{OUT_OF_REACH, gumbel, key_of, least_key, z_of};
import package::lib::reduce::reduce_sum_max;
import package::lib::sampler::{SamplerOptions, Best, better, filters_by_rank, no_token};
import package::lib::state::State;
import package::lib::survey::{BINS, Part, Survey, bin_of};

@if(by_subgroups) enable subgroups;

@group(0) @binding(0) var<storage, read> best: array<Best>;
@group(0) @binding(1) var<storage, read> logits: array<vec4f>;
@group(0) @binding(2) var<storage, read> options: SamplerOptions;
@group(0) @binding(3) var<storage, read> state: State;
@group(0) @binding(4) var<storage, read_write> survey: Survey;

var<workgroup> bins: array<atomic<u32>, BINS>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  var mine = no_token;
  for (var i = lane; i < SLICES; i += THREADS) { mine = better(mine, best[i]); }
  for (var i = lane; i < BINS; i += THREADS) { atomicStore(&bins[i], 0u); }
  let top = best_of_group(mine, lane);
  let surveys = filters_by_rank(options);
  let kept = least_key(options.min_p);
  let last = min((group.x + 1u) * PART, u32(VOCABULARY));
  var mass = 0.0;
  mine = no_token;
  for (var i = group.x * (PART / 4u) + lane; 4u * i < last; i += THREADS) {
    let z = z_of(logits[i], top.value, options.temperature);
    if (surveys) {
      @unroll(c, 4) {
        if (4u * i + $cu < last) {
          mass += exp(z[$c]);
          if (z[$c] >= OUT_OF_REACH) { atomicAdd(&bins[bin_of(z[$c])], 1u); }
        }
      }
    } else {
      // Not unrolled: it is long.
      for (var c = 0u; c < 4u; c++) {
        let token = 4u * i + c;
        if (token < last && key_of(z[c]) >= kept) {
          mine = better(mine, Best(z[c] + gumbel(options.seed, state.step, token), token));
        }
      }
    }
  }
  workgroupBarrier();
  let drawn = best_of_group(mine, lane);
  let total = reduce_sum_max(vec2f(mass, 0.0), lane).x;
  if (lane == 0u) {
    survey.parts[group.x] = Part(total, drawn.value, drawn.token);
    if (group.x == 0u) { survey.best = top; }
  }
  if (!surveys) { return; }
  for (var i = lane; i < BINS; i += THREADS) {
    let count = atomicLoad(&bins[i]);
    if (count > 0u) { atomicAdd(&survey.bins[i], count); }
  }
}
