// Third step of a draw under top_k or top_p: the tokens that these may keep, in any order.
//
//   logits      f32 [VOCABULARY]
//   options     SamplerOptions
//   survey      Survey from sample_survey; count += candidates, whether or not there is room for them
//   candidates  u32 [2, ROOM]: the bits of z of each candidate, then its token
//
// Candidates are all tokens of the nearest bins: under top_k of as many bins as have that many tokens, under top_p alone of as
// many that the mass of the bins beyond is no more than top_p leaves out. A bin's mass is at most its tokens times e^z of the
// nearest z in it.
// A workgroup sees PART tokens, four at a time. Workgroups: x = ceil(VOCABULARY / PART).

import constants::{VOCABULARY, PART, PARTS, ROOM, THREADS};
import package::lib::draw::{OUT_OF_REACH, z_of};
import package::lib::reduce::reduce_sum_max;
import package::lib::sampler::{SamplerOptions, filters_by_rank};
import package::lib::survey::{BINS, Survey, bin_of, nearest_of};

@if(by_subgroups) enable subgroups;

@group(0) @binding(0) var<storage, read> logits: array<vec4f>;
@group(0) @binding(1) var<storage, read> options: SamplerOptions;
@group(0) @binding(2) var<storage, read_write> survey: Survey;
@group(0) @binding(3) var<storage, read_write> candidates: array<u32>;

// Of each bin, what must not be too much beyond the last bin of candidates: tokens, or mass.
var<workgroup> weights: array<f32, BINS>;
@if(many) var<workgroup> segments: array<f32, 16>;
var<workgroup> last_bin: atomic<u32>;

// Puts into `last_bin` the first bin beyond which there is no more than `allowed`, or else the last one.
@if(!many)
fn find_last_bin(allowed: f32, lane: u32) {
  if (lane == 0u) {
    var beyond = 0.0;
    var bin = BINS - 1u;
    while (bin > 0u && beyond + weights[bin] <= allowed) {
      beyond += weights[bin];
      bin -= 1u;
    }
    atomicStore(&last_bin, bin);
  }
  workgroupBarrier();
}

// The same, each thread for its own bins: what is beyond a bin are whole segments of sixteen, and bins of its own segment.
@if(many)
fn find_last_bin(allowed: f32, lane: u32) {
  if (lane == 0u) { atomicStore(&last_bin, 0u); }
  if (lane < 16u) {
    var sum = 0.0;
    @unroll(i, 16) { sum += weights[lane * 16u + $iu]; }
    segments[lane] = sum;
  }
  workgroupBarrier();
  for (var bin = lane; bin < BINS - 1u; bin += THREADS) {
    var beyond = 0.0;
    @unroll(i, 16) {
      beyond += select(0.0, segments[$i], $iu > bin / 16u);
      beyond += select(0.0, weights[bin / 16u * 16u + $iu], $iu > bin % 16u);
    }
    if (beyond > allowed) { atomicMax(&last_bin, bin + 1u); }
  }
  workgroupBarrier();
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  if (!filters_by_rank(options)) { return; }
  let by_count = options.top_k > 0u;
  var own = 0.0;
  for (var i = lane; i < BINS; i += THREADS) {
    let tokens = f32(atomicLoad(&survey.bins[i]));
    weights[i] = select(tokens * exp(-nearest_of(i)), tokens, by_count);
    if (by_count) { own += tokens; }
  }
  if (!by_count) {
    for (var i = lane; i < PARTS; i += THREADS) { own += survey.parts[i].mass; }
  }
  let total = reduce_sum_max(vec2f(own, 0.0), lane).x;
  workgroupBarrier();
  // Of the mass a little less: the choice adds it up again, in integers.
  let allowed = select(total * (1.0 - options.top_p) * 0.999, total - f32(options.top_k), by_count);
  find_last_bin(allowed, lane);

  let nearest_bins = atomicLoad(&last_bin);
  if (group.x == 0u && lane == 0u) { survey.complete = u32(nearest_bins == BINS - 1u); }
  let last = min((group.x + 1u) * PART, u32(VOCABULARY));
  for (var i = group.x * (PART / 4u) + lane; 4u * i < last; i += THREADS) {
    let z = z_of(logits[i], survey.best.value, options.temperature);
    var found = 0u;
    @unroll(c, 4) {
      let is$c = 4u * i + $cu < last && z[$c] >= OUT_OF_REACH && bin_of(z[$c]) <= nearest_bins;
      found += u32(is$c);
    }
    if (found == 0u) { continue; }
    var at = atomicAdd(&survey.count, found);
    @unroll(c, 4) {
      if (is$c && at < ROOM) {
        candidates[at] = bitcast<u32>(z[$c]);
        candidates[ROOM + at] = 4u * i + $cu;
        at += 1u;
      }
    }
  }
}
