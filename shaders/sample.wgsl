// Last step of sampling: chooses the next token, hands it to the next step and moves the state on.
//
//   best        Best [SLICES] from penalize_max, without `random`
//   state       State: position += count, count = 1, step += 1
//   ids         u32: ids[0] = the chosen token, which the next step embeds; NO_TOKEN where a logit is not
//               finite, or where a mask allows none
//   history     u32 [VOCABULARY]: the token's count += 1
//   logits      f32 [VOCABULARY]      (what follows only with `random`)
//   options     SamplerOptions
//   survey      Survey from sample_survey and sample_candidates; its count and bins become 0, for the next time
//   candidates  u32 [2, ROOM]: z and tokens, from sample_candidates
//
// Greedy takes the best token. With `random`, z = (logit − max) / temperature and the token is drawn from exp(z) among
// those that every filter keeps: the top_k highest, then the fewest whose probability adds up to top_p, and those with
// z ≥ ln(min_p). The draw is a Gumbel maximum, argmax(z + noise(seed, step, token)): no prefix sum, no order of evaluation.
//
// Under top_k or top_p, thresholds on z are found exactly by radix selection: z as an ordered integer, its bytes from the
// highest, the one bin that the boundary falls in at each. Ties at a threshold are kept, as is usual. Who is looked through are
// the candidates, of which `survey` has made sure that thresholds fall among them, and all logits where there are too many: where
// they are flat. It gives the same, since all that is added up in an order that is not fixed are integers.
//
// With `masked`, a token that penalize_max has forbidden gets a z without a chance: it has no mass, no noise makes up for it,
// and filters find it behind all tokens that could come.
//
// One workgroup. z are read four at a time, AHEAD such vectors at once. By 256 threads, loads that wait for each other are 8
// under top_p and 12 under top_k and top_p, as long as there are no more than 2048 candidates; with the dispatches before this
// one, 14 and 18. Among all of 128 k logits it would be 441 and 693 here.

import constants::{AHEAD, VOCABULARY, SLICES, PARTS, ROOM, THREADS};
import package::lib::state::State;
import package::lib::best::best_of_group;
import package::lib::draw::{gumbel, key_of, least_key, z_of};
import package::lib::reduce::reduce_sum_max;
import package::lib::sampler::{SamplerOptions, Best, better, filters_by_rank, no_token, NO_TOKEN};
import package::lib::survey::{BINS, Survey};

@if(random && by_subgroups) enable subgroups;

@if(!random) @group(0) @binding(0) var<storage, read> best: array<Best>;
@group(0) @binding(1) var<storage, read_write> state: State;
@group(0) @binding(2) var<storage, read_write> ids: array<u32>;
@group(0) @binding(3) var<storage, read_write> history: array<u32>;
@if(random) @group(0) @binding(4) var<storage, read> logits: array<vec4f>;
@if(random) @group(0) @binding(5) var<storage, read> options: SamplerOptions;
@if(random) @group(0) @binding(6) var<storage, read_write> survey: Survey;
@if(random) @group(0) @binding(7) var<storage, read> candidates: array<vec4u>;

// Tokens, or probability in units of 2^-31, of each bin of a radix pass. Integers, so that order does not matter.
@if(random) var<workgroup> radix_bins: array<atomic<u32>, 256>;
// With `many`: what sixteen bins hold each.
@if(random && many) var<workgroup> segments: array<u32, 16>;
@if(random) var<workgroup> mass_of_group: atomic<u32>;
// What a radix pass found: the key's prefix so far, and what the bins above it hold.
@if(random) var<workgroup> found: vec2u;

// Where tokens are looked for: the best logit, Σ exp(z) of all, and how many candidates there are; or else all logits.
@if(random)
struct Source {
  top: f32,
  total: f32,
  is_all: bool,
  count: u32,
}

@if(random) var<private> source: Source;

// Vector i of z; beyond the last there is the last one.
@if(random)
fn z_at(i: u32) -> vec4f {
  let at = min(i, (source.count + 3u) / 4u - 1u);
  if (source.is_all) { return z_of(logits[at], source.top, options.temperature); }
  return bitcast<vec4f>(candidates[at]);
}

@if(random)
fn token_at(index: u32) -> u32 {
  if (source.is_all) { return index; }
  return candidates[(u32(ROOM) + index) / 4u][index % 4u];
}

// The sum over all threads.
@if(random)
fn sum_of_group(value: f32, lane: u32) -> f32 {
  workgroupBarrier();
  return reduce_sum_max(vec2f(value, 0.0), lane).x;
}

// The mass of all tokens.
@if(random) const WHOLE = 1u << 31u;

@if(random)
fn mass_of(z: f32, total: f32) -> u32 { return u32(exp(z) / total * 2147483648.0 + 0.5); }

// Puts into `found` the bin in which the tokens (or the mass) from the highest on reach `wanted`, or else the lowest one.
@if(random && !many)
fn find_bin(wanted: u32, lane: u32) {
  if (lane == 0u) {
    var above = found.y;
    var bin = 255u;
    loop {
      let here = atomicLoad(&radix_bins[bin]);
      if (bin == 0u || above + here >= wanted) { break; }
      above += here;
      bin -= 1u;
    }
    found = vec2u((found.x << 8u) | bin, above);
  }
  workgroupBarrier();
}

// The same, each thread for its own bins: what is above a bin are whole segments of sixteen, and bins of its own segment.
@if(random && many)
fn find_bin(wanted: u32, lane: u32) {
  let before = found;
  if (lane < 16u) {
    var sum = 0u;
    @unroll(i, 16) { sum += atomicLoad(&radix_bins[lane * 16u + $iu]); }
    segments[lane] = sum;
  }
  workgroupBarrier();
  for (var bin = lane; bin < 256u; bin += THREADS) {
    var above = before.y;
    @unroll(i, 16) {
      above += select(0u, segments[$i], $iu > bin / 16u);
      above += select(0u, atomicLoad(&radix_bins[bin / 16u * 16u + $iu]), $iu > bin % 16u);
    }
    if (above < wanted && (bin == 0u || above + atomicLoad(&radix_bins[bin]) >= wanted)) {
      found = vec2u((before.x << 8u) | bin, above);
    }
  }
  workgroupBarrier();
}

// The smallest key to keep, so that the keys kept are the fewest that reach `wanted` tokens (or mass, `by_mass`).
// Only keys from `floor_key` on take part.
@if(random)
fn threshold(by_mass: bool, wanted: u32, floor_key: u32, lane: u32) -> u32 {
  workgroupBarrier();
  if (lane == 0u) { found = vec2u(0u); }
  for (var shift = 24i; shift >= 0i; shift -= 8i) {
    for (var i = lane; i < 256u; i += THREADS) { atomicStore(&radix_bins[i], 0u); }
    workgroupBarrier();
    let prefix = found.x;
    for (var i = lane; 4u * i < source.count; i += AHEAD * THREADS) {
      @unroll(a, AHEAD) { let z$a = z_at(i + $au * THREADS); }
      @unroll(a, AHEAD) {
        @unroll(c, 4) {
          let key$a_$c = key_of(z$a[$c]);
          // Two shifts, for one by 32 is not defined.
          if (4u * (i + $au * THREADS) + $cu < source.count && key$a_$c >= floor_key && ((key$a_$c >> u32(shift)) >> 8u) == prefix) {
            var weight$a_$c = 1u;
            if (by_mass) { weight$a_$c = mass_of(z$a[$c], source.total); }
            atomicAdd(&radix_bins[(key$a_$c >> u32(shift)) & 255u], weight$a_$c);
          }
        }
      }
    }
    workgroupBarrier();
    find_bin(wanted, lane);
  }
  return found.x;
}

// The mass of the keys from `floor_key` on.
@if(random)
fn mass_from(floor_key: u32, lane: u32) -> u32 {
  workgroupBarrier();
  if (lane == 0u) { atomicStore(&mass_of_group, 0u); }
  var mass = 0u;
  for (var i = lane; 4u * i < source.count; i += AHEAD * THREADS) {
    @unroll(a, AHEAD) { let z$a = z_at(i + $au * THREADS); }
    @unroll(a, AHEAD) {
      @unroll(c, 4) {
        if (4u * (i + $au * THREADS) + $cu < source.count && key_of(z$a[$c]) >= floor_key) {
          mass += mass_of(z$a[$c], source.total);
        }
      }
    }
  }
  workgroupBarrier();
  atomicAdd(&mass_of_group, mass);
  workgroupBarrier();
  return atomicLoad(&mass_of_group);
}

// Of `mass` what top_p keeps, some at least.
@if(random)
fn wanted_mass(mass: u32) -> u32 { return max(u32(f32(mass) * options.top_p), 1u); }

// The candidates, if there is room for them, and as many as top_k keeps: compilers may round z of a token at the edge of a bin in
// another way where it is counted.
@if(random)
fn first_source(lane: u32) -> Source {
  var mass = 0.0;
  for (var i = lane; i < PARTS; i += THREADS) { mass += survey.parts[i].mass; }
  let total = sum_of_group(mass, lane);
  let count = atomicLoad(&survey.count);
  let is_all = count > ROOM || (count < options.top_k && survey.complete == 0u);
  return Source(survey.best.value, total, is_all, select(count, u32(VOCABULARY), is_all));
}

// The mass to reach from the highest key on, of what has keys from `floor_key` on. Looks at all logits from now on, if the
// candidates have less: the survey adds up floats, and here are integers.
@if(random)
fn mass_to_reach(floor_key: u32, lane: u32) -> u32 {
  let mass = mass_from(floor_key, lane);
  if (options.top_k > 0u) { return wanted_mass(mass); }
  let wanted = wanted_mass(WHOLE);
  if (mass < wanted && survey.complete == 0u) {
    source.is_all = true;
    source.count = u32(VOCABULARY);
  }
  return wanted;
}

// The smallest key that top_k, and then top_p, keep. A loop, so that compilers have `threshold` once.
@if(random)
fn key_by_rank(lane: u32) -> u32 {
  var kept = 0u;
  for (var turn = 0u; turn < 2u; turn++) {
    let by_mass = turn == 1u;
    if (select(options.top_k == 0u, options.top_p >= 1.0, by_mass)) { continue; }
    var wanted = options.top_k;
    if (by_mass) { wanted = mass_to_reach(kept, lane); }
    kept = max(kept, threshold(by_mass, wanted, kept, lane));
  }
  return kept;
}

@if(random)
fn draw(lane: u32) -> Best {
  var mine = no_token;
  if (filters_by_rank(options)) {
    source = first_source(lane);
    let kept = max(key_by_rank(lane), least_key(options.min_p));
    for (var i = lane; 4u * i < source.count; i += AHEAD * THREADS) {
      @unroll(a, AHEAD) { let z$a = z_at(i + $au * THREADS); }
      @unroll(a, AHEAD) {
        // Not unrolled: it is long, and few tokens come so far.
        for (var c = 0u; c < 4u; c++) {
          let index = 4u * (i + $au * THREADS) + c;
          if (index < source.count && key_of(z$a[c]) >= kept) {
            let token = token_at(index);
            mine = better(mine, Best(z$a[c] + gumbel(options.seed, state.step, token), token));
          }
        }
      }
    }
  } else {
    for (var i = lane; i < PARTS; i += THREADS) { mine = better(mine, Best(survey.parts[i].drawn, survey.parts[i].token)); }
  }
  workgroupBarrier();
  return best_of_group(mine, lane);
}

// The token; NO_TOKEN where the best one is none.
@if(!random)
fn choose(lane: u32) -> u32 {
  var mine = no_token;
  for (var i = lane; i < SLICES; i += THREADS) { mine = better(mine, best[i]); }
  return best_of_group(mine, lane).token;
}

@if(random)
fn choose(lane: u32) -> u32 {
  let token = draw(lane).token;
  let is_broken = survey.best.token == NO_TOKEN;
  storageBarrier();
  for (var i = lane; i < BINS; i += THREADS) { atomicStore(&survey.bins[i], 0u); }
  if (lane == 0u) { atomicStore(&survey.count, 0u); }
  return select(token, NO_TOKEN, is_broken);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) lane: u32) {
  let token = choose(lane);
  if (lane == 0u) {
    ids[0] = token;
    if (token != NO_TOKEN) { history[token] += 1u; }
    state.position += state.count;
    state.count = 1u;
    state.step += 1u;
  }
}
