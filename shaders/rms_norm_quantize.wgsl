// RMSNorm and int8 quantisation of an activation row, in one pass over it:
//   y = x / sqrt(mean(x²) + EPSILON) · weight
//   s = 127 / max(max|y|, 1e-5);  q = clamp(round(y·s), -128, 127), rounding half to even
//
//   x       f32 [count, COLS]
//   weight  f32 [COLS]
//   q       int8 [count, PADDED], four a word; columns from COLS on are 0. With `pairs` two a word: of columns a, b, c, d
//           first a·2^16 + c, then b·2^16 + d, as ternary_matmul multiplies them
//   scales  vec2f [count]: (1/s, Σ q), what the matrix kernels need beside the products
//
//   state   State, with `last_row`: only the last token, row count - 1 of x, is wanted, as row 0 of the result
//
// One workgroup a token. max|y| = max|x·weight| / rms, so that one reading of x gives both the mean square and the scale.

import constants::{COLS, PADDED, THREADS, EPSILON};
import package::lib::dot::pack_bytes;
import package::lib::reduce::reduce_sum_max;
import package::lib::state::State;

@if(one_subgroup) enable subgroups;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> weight: array<vec4f>;
@if(pairs) @group(0) @binding(2) var<storage, read_write> q: array<vec2u>;
@if(!pairs) @group(0) @binding(2) var<storage, read_write> q: array<u32>;
@group(0) @binding(3) var<storage, read_write> scales: array<vec2f>;
@if(last_row) @group(0) @binding(4) var<storage, read> state: State;

fn largest(v: vec4f) -> f32 {
  let a = max(abs(v.xy), abs(v.zw));
  return max(a.x, a.y);
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let token = group.x;
  @if(last_row) let row = (state.count - 1u) * (COLS / 4u);
  @if(!last_row) let row = token * (COLS / 4u);
  var sum_max = vec2f(0.0);
  for (var i = lane; i < COLS / 4u; i += THREADS) {
    let v = x[row + i];
    sum_max = vec2f(sum_max.x + dot(v, v), max(sum_max.y, largest(v * weight[i])));
  }
  sum_max = reduce_sum_max(sum_max, lane);
  let rms = sqrt(sum_max.x / f32(COLS) + EPSILON);
  let s = 127.0 / max(sum_max.y / rms, 1e-5);

  var sum = 0;
  for (var i = lane; i < PADDED / 4u; i += THREADS) {
    @if(pairs) var word = vec2u(0u);
    @if(!pairs) var word = 0u;
    if (i < COLS / 4u) {
      let y = x[row + i] / rms * weight[i];
      let rounded = clamp(vec4i(round(y * s)), vec4i(-128), vec4i(127));
      sum += rounded.x + rounded.y + rounded.z + rounded.w;
      @if(pairs) word = vec2u((rounded.xy << vec2u(16u)) + rounded.zw);
      @if(!pairs) word = pack_bytes(rounded);
    }
    q[token * (PADDED / 4u) + i] = word;
  }
  @if(!one_subgroup) workgroupBarrier();
  let total = reduce_sum_max(vec2f(f32(sum), 0.0), lane);
  if (lane == 0u) { scales[token] = vec2f(1.0 / s, total.x); }
}
