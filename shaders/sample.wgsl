// Second half of sampling: chooses the next token, hands it to the next step and moves the state on.
//
//   best     Best [SLICES] from penalize_max
//   state    State: position += count, count = 1, step += 1
//   ids      u32: ids[0] = the chosen token, which the next step embeds; NO_TOKEN where a logit is not
//            finite, or where a mask allows none
//   history  u32 [VOCABULARY]: the token's count += 1
//   logits   f32 [VOCABULARY]      (these two only with `random`)
//   options  SamplerOptions
//
// Greedy takes the best token. With `random`, z = (logit − max) / temperature and the token is drawn from exp(z) among
// those that every filter keeps: the top_k highest, then the fewest whose probability adds up to top_p, and those with
// z ≥ ln(min_p). Filters are thresholds on z, found exactly by radix selection: z as an ordered integer, its bytes from
// the highest, the one bin that the boundary falls in at each. Ties at a threshold are kept, as is usual.
// With `masked`, a token that penalize_max has forbidden gets a z without a chance: it has no mass, no noise makes up for it,
// and filters find it behind all tokens that could come.
// The draw is a Gumbel maximum, argmax(z + noise(seed, step, token)): no prefix sum, no order of evaluation.
//
// One workgroup. Logits are read four at a time, AHEAD such vectors at once.

import constants::{AHEAD, VOCABULARY, SLICES, THREADS};
import package::lib::state::State;
import package::lib::best::best_of_group;
import package::lib::reduce::reduce_sum_max;
import package::lib::sampler::{FORBIDDEN, SamplerOptions, Best, better, no_token, NO_TOKEN};

@if(random && by_subgroups) enable subgroups;

@group(0) @binding(0) var<storage, read> best: array<Best>;
@group(0) @binding(1) var<storage, read_write> state: State;
@group(0) @binding(2) var<storage, read_write> ids: array<u32>;
@group(0) @binding(3) var<storage, read_write> history: array<u32>;
@if(random) @group(0) @binding(4) var<storage, read> logits: array<vec4f>;
@if(random) @group(0) @binding(5) var<storage, read> options: SamplerOptions;

// Tokens, and probability in units of 2^-31, of each bin of a radix pass. Integers, so that order does not matter.
@if(random) var<workgroup> bin_count: array<atomic<u32>, 256>;
@if(random) var<workgroup> bin_mass: array<atomic<u32>, 256>;
// With `many`: what sixteen bins each hold of either.
@if(random && many) var<workgroup> segments: array<u32, 16>;
// What a radix pass found: the key's prefix so far, and what the bins above it hold.
@if(random) var<workgroup> found: vec2u;

@if(random) const vectors = (u32(VOCABULARY) + 3u) / 4u;

// Where z is so low a token never comes: noise is between -3 and 23. Far from what f32 holds, whatever the temperature.
@if(random && masked) const HOPELESS = -10000.0;

// Vector i of z; beyond the last there is the last one.
@if(random)
fn z_at(i: u32, top: f32) -> vec4f {
  let four = logits[min(i, vectors - 1u)];
  let z = (four - top) / options.temperature;
  @if(masked) return select(z, vec4f(HOPELESS), four <= vec4f(FORBIDDEN));
  @if(!masked) return z;
}

// The sum over all threads.
@if(random)
fn sum_of_group(value: f32, lane: u32) -> f32 {
  workgroupBarrier();
  return reduce_sum_max(vec2f(value, 0.0), lane).x;
}

// A key that sorts like z ≤ 0 does: more negative, smaller.
@if(random)
fn key_of(z: f32) -> u32 { return ~bitcast<u32>(-abs(z)); }

@if(random)
fn mass_of(z: f32, total: f32) -> u32 { return u32(exp(z) / total * 2147483648.0 + 0.5); }

@if(random)
fn in_bin(bin: u32, by_mass: bool) -> u32 {
  return select(atomicLoad(&bin_count[bin]), atomicLoad(&bin_mass[bin]), by_mass);
}

// Puts into `found` the bin in which the tokens (or the mass) from the highest on reach `wanted`, or else the lowest one.
@if(random && !many)
fn find_bin(by_mass: bool, wanted: u32, lane: u32) {
  if (lane == 0u) {
    var above = found.y;
    var bin = 255u;
    loop {
      let here = in_bin(bin, by_mass);
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
fn find_bin(by_mass: bool, wanted: u32, lane: u32) {
  let before = found;
  if (lane < 16u) {
    var sum = 0u;
    @unroll(i, 16) { sum += in_bin(lane * 16u + $iu, by_mass); }
    segments[lane] = sum;
  }
  workgroupBarrier();
  for (var bin = lane; bin < 256u; bin += THREADS) {
    var above = before.y;
    @unroll(i, 16) {
      above += select(0u, segments[$i], $iu > bin / 16u);
      above += select(0u, in_bin(bin / 16u * 16u + $iu, by_mass), $iu > bin % 16u);
    }
    if (above < wanted && (bin == 0u || above + in_bin(bin, by_mass) >= wanted)) {
      found = vec2u((before.x << 8u) | bin, above);
    }
  }
  workgroupBarrier();
}

// The smallest key to keep, so that the keys kept are the fewest that reach `wanted` tokens (or mass, `by_mass`).
// Only keys from `floor_key` on take part.
@if(random)
fn threshold(by_mass: bool, wanted: u32, floor_key: u32, top: f32, total: f32, lane: u32) -> u32 {
  workgroupBarrier();
  if (lane == 0u) { found = vec2u(0u); }
  for (var shift = 24i; shift >= 0i; shift -= 8i) {
    for (var i = lane; i < 256u; i += THREADS) {
      atomicStore(&bin_count[i], 0u);
      atomicStore(&bin_mass[i], 0u);
    }
    workgroupBarrier();
    let prefix = found.x;
    for (var i = lane; i < vectors; i += AHEAD * THREADS) {
      @unroll(a, AHEAD) { let z$a = z_at(i + $au * THREADS, top); }
      @unroll(a, AHEAD) {
        @unroll(c, 4) {
          let key$a_$c = key_of(z$a[$c]);
          // Two shifts, for one by 32 is not defined.
          if (4u * (i + $au * THREADS) + $cu < VOCABULARY && key$a_$c >= floor_key && ((key$a_$c >> u32(shift)) >> 8u) == prefix) {
            let bin = (key$a_$c >> u32(shift)) & 255u;
            if (by_mass) { atomicAdd(&bin_mass[bin], mass_of(z$a[$c], total)); } else { atomicAdd(&bin_count[bin], 1u); }
          }
        }
      }
    }
    workgroupBarrier();
    find_bin(by_mass, wanted, lane);
  }
  return found.x;
}

// Three words to three well-mixed words (pcg3d, Jarzynski and Olano 2020, jcgt.org/published/0009/03/02).
@if(random)
fn pcg3d(v: vec3u) -> vec3u {
  var r = v * 1664525u + 1013904223u;
  r.x += r.y * r.z;
  r.y += r.z * r.x;
  r.z += r.x * r.y;
  r ^= r >> vec3u(16u);
  r.x += r.y * r.z;
  r.y += r.z * r.x;
  r.z += r.x * r.y;
  return r;
}

@if(random)
fn gumbel(seed: u32, step: u32, token: u32) -> f32 {
  // In (0, 1): all 32 bits count near 0, where the largest noise comes from, and 1 itself is out of reach.
  let v = min((f32(pcg3d(vec3u(seed, step, token)).x) + 0.5) / 4294967296.0, 0.99999994);
  // -log(1 - v), by its series where 1 - v has lost what v was.
  let series = v * (1.0 + v * (0.5 + v * (0.33333333 + v * 0.25)));
  return -log(select(-log(1.0 - v), series, v < 0.015625));
}

@if(random)
fn draw(top: f32, lane: u32) -> Best {
  var sum = 0.0;
  for (var i = lane; i < vectors; i += AHEAD * THREADS) {
    @unroll(a, AHEAD) { let z$a = z_at(i + $au * THREADS, top); }
    @unroll(a, AHEAD) {
      @unroll(c, 4) { if (4u * (i + $au * THREADS) + $cu < VOCABULARY) { sum += exp(z$a[$c]); } }
    }
  }
  let total = sum_of_group(sum, lane);

  var floor_key = 0u;
  if (options.min_p > 0.0) { floor_key = key_of(min(log(options.min_p), 0.0)); }
  var kept = 0u;
  if (options.top_k > 0u) { kept = threshold(false, options.top_k, 0u, top, total, lane); }
  if (options.top_p < 1.0) {
    // Of the mass that top_k left.
    var mass = 0u;
    for (var i = lane; i < vectors; i += AHEAD * THREADS) {
      @unroll(a, AHEAD) { let z$a = z_at(i + $au * THREADS, top); }
      @unroll(a, AHEAD) {
        @unroll(c, 4) {
          if (4u * (i + $au * THREADS) + $cu < VOCABULARY && key_of(z$a[$c]) >= kept) { mass += mass_of(z$a[$c], total); }
        }
      }
    }
    let wanted = max(u32(sum_of_group(f32(mass), lane) * options.top_p), 1u);
    kept = max(kept, threshold(true, wanted, kept, top, total, lane));
  }
  kept = max(kept, floor_key);
  // No noise for those.
  @if(masked) kept = max(kept, key_of(HOPELESS) + 1u);

  var mine = no_token;
  for (var i = lane; i < vectors; i += AHEAD * THREADS) {
    @unroll(a, AHEAD) { let z$a = z_at(i + $au * THREADS, top); }
    @unroll(a, AHEAD) {
      // Not unrolled: it is long, and few tokens come so far.
      for (var c = 0u; c < 4u; c++) {
        let token = 4u * (i + $au * THREADS) + c;
        if (token < VOCABULARY && key_of(z$a[c]) >= kept) {
          mine = better(mine, Best(z$a[c] + gumbel(options.seed, state.step, token), token));
        }
      }
    }
  }
  workgroupBarrier();
  return best_of_group(mine, lane);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) lane: u32) {
  var mine = no_token;
  for (var i = lane; i < SLICES; i += THREADS) { mine = better(mine, best[i]); }
  var chosen = best_of_group(mine, lane);
  let is_broken = chosen.token == NO_TOKEN;
  @if(random) {
    workgroupBarrier();
    chosen = draw(chosen.value, lane);
  }
  if (lane == 0u) {
    let token = select(chosen.token, NO_TOKEN, is_broken);
    ids[0] = token;
    if (token != NO_TOKEN) { history[token] += 1u; }
    state.position += state.count;
    state.count = 1u;
    state.step += 1u;
  }
}
