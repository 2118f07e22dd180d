// Causal grouped-query attention over the KV cache, in registers of subgroups; the formula of attention.wgsl:
//   out[t, h] = Σ_p softmax_p(q[t, h] · k[p, g] · SCALE) · v[p, g],  g = h / GROUP,  p ≤ position of t
//
//   state    State
//   qkv      f32 [count, ROW]: rotated queries of HEADS heads first, read as vec4f
//   keys     f16 [positions, KV_HEADS, HEAD_DIM], eight values a vec4u; with `wide` f32 of the same values; with `int8`
//            codes, eight a vec2u
//   values   the same
//   scales   with `int8`: vec2f [positions, KV_HEADS]: what a code of the key stands for, and one of the value
//   out      f32 [count, HEADS·HEAD_DIM]; with `partial` f32 [splits, HEADS, HEAD_DIM], each split normalised on its own
//   shape    (LANES, GROUP·VECTORS, VECTORS): loop bounds that are not constants, so that compilers do not unroll loops
//   summary  with `partial`: vec2f [splits, HEADS]: (maximum, Σ exp) of the split, for attention_combine
//   angles   with `append`: vec2f [positions, ROTARY/2], as in rope_append, read as vec4f
//
// LANES lanes of a subgroup share a head: each owns VECTORS runs of eight dimensions, holds its part of the QUERIES queries
// that use one KV head, and reads its part of each key and value, side by side with its neighbours. A tile is LANES
// positions: lane i keeps the score of the i-th, so that one exp serves them all. No barrier, no workgroup memory. Scales
// are kept likewise: lane i multiplies its score by that of the i-th key, and its exponential by that of the i-th value. AHEAD
// keys, and then values, are on their way at once.
//
// With `append` (decode only) queries come as the matrix left them, and this kernel does the work of rope_append too: every
// team turns its queries, and the one whose split has the new position writes its key and value. What a lane writes is what
// that lane reads again; no other team needs it. New scales are made by all teams of that one's workgroup, since lanes can
// only meet where the whole workgroup is; each lane keeps them, so that nobody reads what a neighbour has written.
//
// TEAMS teams are a workgroup. With `partial` (decode, one token) each sees another SPLIT positions, and workgroups z =
// splits / TEAMS. Else each has another TOKENS tokens, whose QUERIES = GROUP·TOKENS queries share what it reads, up to the
// last position that any of them sees; each masks what comes after its own. Workgroups y = tokens / (TEAMS·TOKENS). Both: x =
// KV heads.

import constants::{HEADS, KV_HEADS, GROUP, HEAD_DIM, ROW, ROTARY, SCALE};
import constants::{AHEAD, LANES, STEPS, VECTORS, TEAMS, SPLIT, TOKENS, QUERIES};
import package::lib::f16::{pack_f16, rounded_f16};
import package::lib::int8_cache::{code_scale, code_values, codes_of};
import package::lib::state::State;

enable subgroups;

struct Shape { lanes: u32, query_runs: u32, runs: u32 }

// Eight values of the cache; with `wide` four.
@if(wide) alias Stored = vec4f;
@if(halves) alias Stored = vec4u;
@if(int8) alias Stored = vec2u;

@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> qkv: array<vec4f>;
@if(append) @group(0) @binding(2) var<storage, read_write> keys: array<Stored>;
@if(append) @group(0) @binding(3) var<storage, read_write> values: array<Stored>;
@if(!append) @group(0) @binding(2) var<storage, read> keys: array<Stored>;
@if(!append) @group(0) @binding(3) var<storage, read> values: array<Stored>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(5) var<uniform> shape: Shape;
@if(partial) @group(0) @binding(6) var<storage, read_write> summary: array<vec2f>;
@if(append) @group(0) @binding(7) var<storage, read> angles: array<vec4f>;
@if(int8 && append) @group(0) @binding(8) var<storage, read_write> scales: array<vec2f>;
@if(int8 && !append) @group(0) @binding(8) var<storage, read> scales: array<vec2f>;

const threads = u32(LANES * TEAMS);
// Finite, also when exp multiplies it by log2 e first, so that nothing made of it is NaN.
const lowest = -1.0e30;

// Over the lanes of a team, whose number is 2^STEPS.
fn team_sum(value: f32) -> f32 {
  var sum = value;
  @unroll(s, STEPS) { sum += subgroupShuffleXor(sum, 1u << $su); }
  return sum;
}

fn team_max(value: f32) -> f32 {
  var largest = value;
  @unroll(s, STEPS) { largest = max(largest, subgroupShuffleXor(largest, 1u << $su)); }
  return largest;
}

// The first and the last four of eight stored values, as floats or as codes.
@if(halves) fn low_four(v: Stored) -> vec4f { return vec4f(unpack2x16float(v.x), unpack2x16float(v.y)); }
@if(halves) fn high_four(v: Stored) -> vec4f { return vec4f(unpack2x16float(v.z), unpack2x16float(v.w)); }
@if(int8) fn low_four(v: Stored) -> vec4f { return code_values(v.x); }
@if(int8) fn high_four(v: Stored) -> vec4f { return code_values(v.y); }

// Dimensions 4·d to 4·d + 3 of the head that begins at `head` in qkv (in vec4f), turned for `position`.
@if(append)
fn turned(head: u32, d: u32, position: u32) -> vec4f {
  let x = qkv[head + d];
  if (d >= ROTARY / 4u) { return x; }
  let angle = position * (ROTARY / 4u);
  @if(neox) {
    let upper = d >= ROTARY / 8u;
    let partner = qkv[head + select(d + ROTARY / 8u, d - ROTARY / 8u, upper)];
    let pair = angle + 2u * select(d, d - ROTARY / 8u, upper);
    let first = angles[pair];
    let second = angles[pair + 1u];
    let cosine = vec4f(first.xz, second.xz);
    let sine = vec4f(first.yw, second.yw);
    return x * cosine + select(-partner, partner, upper) * sine;
  }
  @if(!neox) {
    let pairs = angles[angle + d];
    return x * pairs.xxzz + vec4f(-x.y, x.x, -x.w, x.z) * pairs.yyww;
  }
}

@if(append && wide)
fn rounded(v: vec4f) -> vec4f { return vec4f(rounded_f16(v.xy), rounded_f16(v.zw)); }

@if(append && halves)
fn packed(low: vec4f, high: vec4f) -> vec4u {
  return vec4u(pack_f16(low.xy), pack_f16(low.zw), pack_f16(high.xy), pack_f16(high.zw));
}

@if(append && int8)
fn codes(low: vec4f, high: vec4f, scale: f32) -> vec2u {
  return vec2u(codes_of(low, scale), codes_of(high, scale));
}

@if(append && int8)
fn largest_of(a: vec4f, b: vec4f) -> f32 {
  let all = max(abs(a), abs(b));
  return max(max(all.x, all.y), max(all.z, all.w));
}

// The scales of the key and the value that begin at `key` and `value` in qkv (in vec4f), for a team of which this is a lane.
@if(append && int8)
fn scales_for(key: u32, value: u32, position: u32, lane: u32) -> vec2f {
  var most = vec2f(0.0);
  for (var v = 0u; v < shape.runs; v++) {
    let low = 2u * (v * LANES + lane);
    let in_key = largest_of(turned(key, low, position), turned(key, low + 1u, position));
    most = max(most, vec2f(in_key, largest_of(qkv[value + low], qkv[value + low + 1u])));
  }
  return vec2f(code_scale(team_max(most.x)), code_scale(team_max(most.y)));
}

@compute @workgroup_size(threads)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) index: u32,
  @builtin(subgroup_invocation_id) sublane: u32,
) {
  let lane = index % LANES;
  let first_lane = sublane - lane % LANES;
  let kv_head = group.x;
  @if(partial) let token = group.y;
  @if(!partial) let token = (group.y * TEAMS + index / LANES) * TOKENS;
  let length = state.position + min(token + TOKENS, state.count);
  @if(partial) let split = group.z * TEAMS + index / LANES;
  @if(partial) let first = split * SPLIT;
  @if(partial) let positions = min(u32(SPLIT), length - min(length, group.z * (TEAMS * SPLIT)));
  @if(!partial) let first = 0u;
  @if(!partial) let positions = state.position + min((group.y + 1u) * (TEAMS * TOKENS), state.count);

  let q_base = (token * ROW + kv_head * (GROUP * HEAD_DIM)) / 4u;
  @if(append) var turned_queries: array<vec4f, 2u * GROUP * VECTORS>;
  @if(append) {
    for (var i = 0u; i < shape.query_runs; i++) {
      let head = q_base + i / VECTORS * (HEAD_DIM / 4u);
      let run = i % VECTORS * LANES + lane;
      turned_queries[2u * i] = turned(head, 2u * run, length - 1u) * SCALE;
      turned_queries[2u * i + 1u] = turned(head, 2u * run + 1u, length - 1u) * SCALE;
    }
  }
  @unroll(g, QUERIES) {
    @if(partial) let last$g = min(length, first + SPLIT);
    @if(!partial) let last$g = state.position + min(token + $gu / GROUP + 1u, state.count);
    @if(!append) let query$g = q_base + $gu / GROUP * (ROW / 4u) + $gu % GROUP * (HEAD_DIM / 4u);
    var maximum$g = lowest;
    var total$g = 0.0;
    @unroll(v, VECTORS) {
      @if(append) let q$g_$v_0 = turned_queries[2u * ($gu * VECTORS + $vu)];
      @if(append) let q$g_$v_1 = turned_queries[2u * ($gu * VECTORS + $vu) + 1u];
      @if(!append) let q$g_$v_0 = qkv[query$g + ($vu * LANES + lane) * 2u] * SCALE;
      @if(!append) let q$g_$v_1 = qkv[query$g + ($vu * LANES + lane) * 2u + 1u] * SCALE;
      var sum$g_$v_0 = vec4f(0.0);
      var sum$g_$v_1 = vec4f(0.0);
    }
  }

  @if(append) let key = (u32(HEADS) + kv_head) * (HEAD_DIM / 4u);
  @if(append) let value = key + KV_HEADS * (HEAD_DIM / 4u);
  @if(append && int8) var new_scales = vec2f(0.0);
  @if(append && int8) {
    if ((length - 1u) / (TEAMS * SPLIT) == group.z) { new_scales = scales_for(key, value, length - 1u, lane); }
  }
  @if(append) {
    if ((length - 1u) / SPLIT == split) {
      let slot = ((length - 1u) * KV_HEADS + kv_head) * (HEAD_DIM / 8u);
      for (var v = 0u; v < shape.runs; v++) {
        let run = v * LANES + lane;
        let low = turned(key, 2u * run, length - 1u);
        let high = turned(key, 2u * run + 1u, length - 1u);
        @if(wide) {
          keys[2u * (slot + run)] = rounded(low);
          keys[2u * (slot + run) + 1u] = rounded(high);
          values[2u * (slot + run)] = rounded(qkv[value + 2u * run]);
          values[2u * (slot + run) + 1u] = rounded(qkv[value + 2u * run + 1u]);
        }
        @if(halves) {
          keys[slot + run] = packed(low, high);
          values[slot + run] = packed(qkv[value + 2u * run], qkv[value + 2u * run + 1u]);
        }
        @if(int8) {
          keys[slot + run] = codes(low, high, new_scales.x);
          values[slot + run] = codes(qkv[value + 2u * run], qkv[value + 2u * run + 1u], new_scales.y);
        }
      }
      @if(int8) { if (lane == 0u) { scales[(length - 1u) * KV_HEADS + kv_head] = new_scales; } }
    }
  }
  // Beyond it a key is not read, for another team may be writing it: the new one only where it is in this split.
  @if(append) let end = select(max(length, 2u) - 1u, length, (length - 1u) / SPLIT == split);
  @if(!append) let end = length;

  // Teams of one workgroup go through as many tiles, so that the subgroup stays together; what is beyond is masked.
  for (var offset = 0u; offset < positions; offset += LANES) {
    let tile = first + offset;
    @unroll(g, QUERIES) { var score$g = lowest; }
    for (var i = 0u; i < shape.lanes; i += AHEAD) {
      @unroll(a, AHEAD) {
        let base$a = (min(tile + i + $au, end - 1u) * KV_HEADS + kv_head) * (HEAD_DIM / 8u) + lane;
        @unroll(v, VECTORS) {
          @if(wide) let k$a_$v_0 = keys[2u * (base$a + $vu * LANES)];
          @if(wide) let k$a_$v_1 = keys[2u * (base$a + $vu * LANES) + 1u];
          @if(!wide) let k$a_$v = keys[base$a + $vu * LANES];
        }
      }
      @unroll(a, AHEAD) {
        @unroll(g, QUERIES) { var product$a_$g = 0.0; }
        @unroll(v, VECTORS) {
          @if(!wide) let k$a_$v_0 = low_four(k$a_$v);
          @if(!wide) let k$a_$v_1 = high_four(k$a_$v);
          @unroll(g, QUERIES) { product$a_$g += dot(q$g_$v_0, k$a_$v_0) + dot(q$g_$v_1, k$a_$v_1); }
        }
        @unroll(g, QUERIES) { score$g = select(score$g, team_sum(product$a_$g), lane == i + $au); }
      }
    }
    @if(int8) let held = scales[min(tile + lane, end - 1u) * KV_HEADS + kv_head];
    @if(int8 && append) let scale = select(held, new_scales, tile + lane + 1u >= length);
    @if(int8 && !append) let scale = held;
    @if(int8) { @unroll(g, QUERIES) { score$g *= scale.x; } }
    @unroll(g, QUERIES) {
      let valid$g = tile + lane < last$g;
      let larger$g = max(maximum$g, team_max(select(lowest, score$g, valid$g)));
      let correction$g = exp(maximum$g - larger$g);
      let weight$g = select(0.0, exp(score$g - larger$g), valid$g);
      maximum$g = larger$g;
      total$g = total$g * correction$g + weight$g;
      @if(int8) let share$g = weight$g * scale.y;
      @if(!int8) let share$g = weight$g;
      @unroll(v, VECTORS) {
        sum$g_$v_0 *= correction$g;
        sum$g_$v_1 *= correction$g;
      }
    }
    for (var i = 0u; i < shape.lanes; i += AHEAD) {
      @unroll(a, AHEAD) {
        let base$a = (min(tile + i + $au, end - 1u) * KV_HEADS + kv_head) * (HEAD_DIM / 8u) + lane;
        @unroll(v, VECTORS) {
          @if(wide) let v$a_$v_0 = values[2u * (base$a + $vu * LANES)];
          @if(wide) let v$a_$v_1 = values[2u * (base$a + $vu * LANES) + 1u];
          @if(!wide) let packed$a_$v = values[base$a + $vu * LANES];
        }
      }
      @unroll(a, AHEAD) {
        @unroll(g, QUERIES) { let e$a_$g = subgroupShuffle(share$g, first_lane + i + $au); }
        @unroll(v, VECTORS) {
          @if(!wide) let v$a_$v_0 = low_four(packed$a_$v);
          @if(!wide) let v$a_$v_1 = high_four(packed$a_$v);
          @unroll(g, QUERIES) {
            sum$g_$v_0 += e$a_$g * v$a_$v_0;
            sum$g_$v_1 += e$a_$g * v$a_$v_1;
          }
        }
      }
    }
  }

  @if(partial) let out_base = (split * HEADS + kv_head * GROUP) * (HEAD_DIM / 4u);
  @if(!partial) let out_base = (token * HEADS + kv_head * GROUP) * (HEAD_DIM / 4u);
  @unroll(g, QUERIES) { let all$g = team_sum(total$g); }
  // A team beyond the last split has nothing to say.
  @if(partial) { if (first >= length) { return; } }
  @unroll(g, QUERIES) {
    let norm$g = 1.0 / all$g;
    @if(partial) { if (lane == 0u) { summary[split * HEADS + kv_head * GROUP + $gu] = vec2f(maximum$g, all$g); } }
    @if(partial) let row$g = out_base + $gu * (HEAD_DIM / 4u);
    @if(!partial) let row$g = out_base + $gu / GROUP * (HEADS * HEAD_DIM / 4u) + $gu % GROUP * (HEAD_DIM / 4u);
    // The last tile of tokens may have too many: they are not written.
    if (token + $gu / GROUP < state.count) {
      @unroll(v, VECTORS) {
        out[row$g + ($vu * LANES + lane) * 2u] = sum$g_$v_0 * norm$g;
        out[row$g + ($vu * LANES + lane) * 2u + 1u] = sum$g_$v_1 * norm$g;
      }
    }
  }
}
