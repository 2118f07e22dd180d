// Causal grouped-query attention over the KV cache, with a running softmax over tiles of TILE positions:
//   out[t, h] = Σ_p softmax_p(q[t, h] · k[p, g] · SCALE) · v[p, g],  g = h / GROUP,  p ≤ position of t
//
//   state   State
//   qkv     f32 [count, ROW]: rotated queries of HEADS heads first
//   keys    f16 [positions, KV_HEADS, CACHE_DIM], eight a vec4u; with `wide` f32 of the same values; with `int8` codes,
//           eight a vec2u
//   values  the same, read pair by pair. CACHE_DIM is HEAD_DIM rounded up to a multiple of 8; what is between is 0
//   scales  with `int8`: vec2f [positions, KV_HEADS]: what a code of the key stands for, and one of the value
//   out     f32 [count, HEADS·HEAD_DIM]; with `partial` f32 [splits, HEADS, HEAD_DIM], each split normalised on its own
//   shape   (CACHE_DIM / 8)
//   summary with `partial`: vec2f [splits, HEADS]: (maximum, Σ exp) of the split, for attention_combine
//
// One workgroup handles the GROUP query heads of one KV head for TOKENS tokens, so that K and V are read once for all QUERIES =
// GROUP·TOKENS of them, up to the last position that any of the tokens sees; with `masked` (several tokens) those after a token's
// own count nothing for it. With `partial` (decode, one token) it sees SPLIT positions, and other workgroups the rest of the context.
// Workgroups: x = KV heads, y = tokens / TOKENS, z = splits.
//
// In a tile a thread first owns positions (scores), then pairs of dimensions (the weighted sum of values, AHEAD of which are on
// their way at once). Scales are
// multiplied in once a position: the key's into the score, the value's into the exponential that weighs it.

import constants::{AHEAD, HEADS, KV_HEADS, GROUP, HEAD_DIM, CACHE_DIM, ROW, TILE, THREADS, PAIRS, SPLIT, SCALE};
import constants::{TOKENS, QUERIES};
import package::lib::int8_cache::code_values;
import package::lib::state::State;

// A loop bound that is not a constant, for compilers that would unroll it whole and take seconds for that.
struct Shape { key_vectors: u32 }

@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> qkv: array<vec4f>;
@if(wide) @group(0) @binding(2) var<storage, read> keys: array<vec4f>;
@if(wide) @group(0) @binding(3) var<storage, read> values: array<vec2f>;
@if(halves) @group(0) @binding(2) var<storage, read> keys: array<vec4u>;
@if(int8) @group(0) @binding(2) var<storage, read> keys: array<vec2u>;
@if(!wide) @group(0) @binding(3) var<storage, read> values: array<u32>;
@group(0) @binding(4) var<storage, read_write> out: array<vec2f>;
@group(0) @binding(5) var<uniform> shape: Shape;
@if(partial) @group(0) @binding(6) var<storage, read_write> summary: array<vec2f>;
@if(int8) @group(0) @binding(8) var<storage, read> scales: array<vec2f>;

// Scores of a tile, then what weighs its values: their exponentials. [QUERIES, TILE]
var<workgroup> score: array<f32, QUERIES * TILE>;
// For each query: the running maximum, the running sum, and what to multiply earlier sums with.
var<workgroup> running: array<vec3f, QUERIES>;

// Finite, also when exp multiplies it by log2 e first, so that nothing made of it is NaN.
const lowest = -1.0e30;

// Two of the values, as floats or as codes.
@if(wide) fn value_pair(i: u32) -> vec2f { return values[i]; }
@if(halves) fn value_pair(i: u32) -> vec2f { return unpack2x16float(values[i]); }
@if(int8) fn value_pair(i: u32) -> vec2f { return code_values(values[i / 2u] >> (16u * (i % 2u))).xy; }

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let kv_head = group.x;
  let token = group.y * TOKENS;
  let length = state.position + min(token + TOKENS, state.count);
  @if(partial) let first = group.z * SPLIT;
  @if(partial) let last = min(length, first + SPLIT);
  @if(!partial) let first = 0u;
  @if(!partial) let last = length;

  for (var g = lane; g < QUERIES; g += THREADS) { running[g] = vec3f(lowest, 0.0, 0.0); }
  @unroll(g, QUERIES) { @unroll(p, PAIRS) { var sum$g_$p = vec2f(0.0); } }
  let q_base = (token * ROW + kv_head * (GROUP * HEAD_DIM)) / 4u;
  @unroll(g, QUERIES) { let query$g = q_base + $gu / GROUP * (ROW / 4u) + $gu % GROUP * (HEAD_DIM / 4u); }

  for (var tile = first; tile < last; tile += TILE) {
    let size = min(last - tile, u32(TILE));
    for (var i = lane; i < size; i += THREADS) {
      let k_base = ((tile + i) * KV_HEADS + kv_head) * shape.key_vectors;
      @unroll(g, QUERIES) { var dot$g = 0.0; }
      for (var d = 0u; d < shape.key_vectors; d++) {
        @if(wide) let k0 = keys[2u * (k_base + d)];
        @if(wide) let k1 = keys[2u * (k_base + d) + 1u];
        @if(!wide) let packed = keys[k_base + d];
        @if(halves) let k0 = vec4f(unpack2x16float(packed.x), unpack2x16float(packed.y));
        @if(halves) let k1 = vec4f(unpack2x16float(packed.z), unpack2x16float(packed.w));
        @if(int8) let k0 = code_values(packed.x);
        @if(int8) let k1 = code_values(packed.y);
        @unroll(g, QUERIES) {
          dot$g += dot(qkv[query$g + 2u * d], k0) + dot(qkv[query$g + 2u * d + 1u], k1);
        }
      }
      @if(int8) let key_scale = SCALE * scales[(tile + i) * KV_HEADS + kv_head].x;
      @if(!int8) let key_scale = f32(SCALE);
      @unroll(g, QUERIES) { score[$gu * TILE + i] = dot$g * key_scale; }
    }
    workgroupBarrier();
    // A thread a query: the tile's maximum joins the running one, and scores become exponentials.
    for (var g = lane; g < QUERIES; g += THREADS) {
      @if(masked) let sees = state.position + min(token + g / GROUP + 1u, state.count);
      @if(masked) let seen = min(size, sees - min(sees, tile));
      @if(!masked) let seen = size;
      let before = running[g];
      var maximum = before.x;
      for (var i = 0u; i < seen; i++) { maximum = max(maximum, score[g * TILE + i]); }
      let correction = exp(before.x - maximum);
      var total = before.y * correction;
      for (var i = 0u; i < seen; i++) {
        let e = exp(score[g * TILE + i] - maximum);
        total += e;
        @if(int8) let value_scale = scales[(tile + i) * KV_HEADS + kv_head].y;
        @if(!int8) let value_scale = 1.0;
        score[g * TILE + i] = e * value_scale;
      }
      @if(masked) { for (var i = seen; i < size; i++) { score[g * TILE + i] = 0.0; } }
      running[g] = vec3f(maximum, total, correction);
    }
    workgroupBarrier();
    @unroll(g, QUERIES) {
      let correction$g = running[$g].z;
      @unroll(p, PAIRS) { sum$g_$p *= correction$g; }
    }
    for (var i = 0u; i < size; i += AHEAD) {
      @unroll(a, AHEAD) {
        let at$a = min(i + $au, size - 1u);
        let v_base$a = ((tile + at$a) * KV_HEADS + kv_head) * (CACHE_DIM / 2u);
        @unroll(p, PAIRS) {
          let v$a_$p = value_pair(v_base$a + min(lane + $pu * THREADS, HEAD_DIM / 2u - 1u));
        }
      }
      @unroll(a, AHEAD) {
        @unroll(g, QUERIES) {
          let e$a_$g = select(0.0, score[$gu * TILE + at$a], i + $au < size);
          @unroll(p, PAIRS) { sum$g_$p += e$a_$g * v$a_$p; }
        }
      }
    }
    workgroupBarrier();
  }

  @if(partial) let out_base = (group.z * HEADS + kv_head * GROUP) * (HEAD_DIM / 2u);
  @if(!partial) let out_base = (token * HEADS + kv_head * GROUP) * (HEAD_DIM / 2u);
  @unroll(g, QUERIES) {
    let norm$g = 1.0 / running[$g].y;
    let row$g = out_base + $gu / GROUP * (HEADS * HEAD_DIM / 2u) + $gu % GROUP * (HEAD_DIM / 2u);
    // The last tokens may be too many: they are not written.
    if (token + $gu / GROUP < state.count) {
      @unroll(p, PAIRS) {
        if (lane + $pu * THREADS < HEAD_DIM / 2u) { out[row$g + lane + $pu * THREADS] = sum$g_$p * norm$g; }
      }
    }
  }
  @if(partial) {
    for (var g = lane; g < QUERIES; g += THREADS) {
      summary[group.z * HEADS + kv_head * GROUP + g] = running[g].xy;
    }
  }
}
