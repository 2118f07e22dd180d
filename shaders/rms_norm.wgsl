// RMSNorm: y = x / sqrt(mean(x²) + EPSILON) · weight; of the last token's row, for the LM head, or with `all_rows` of all.
//
//   x       f32 [count, COLS]
//   weight  f32 [COLS]
//   y       f32 [COLS], or [count, COLS]
//   state   State, unless `all_rows`
//
// One workgroup a row.

import constants::{COLS, THREADS, EPSILON};
import package::lib::state::State;
import package::lib::reduce::reduce_sum_max;

@if(one_subgroup) enable subgroups;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> weight: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@if(!all_rows) @group(0) @binding(3) var<storage, read> state: State;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  @if(all_rows) let row = group.x * (COLS / 4u);
  @if(!all_rows) let row = (state.count - 1u) * (COLS / 4u);
  let out = group.x * (COLS / 4u);
  var sum = 0.0;
  for (var i = lane; i < COLS / 4u; i += THREADS) {
    let v = x[row + i];
    sum += dot(v, v);
  }
  let rms = sqrt(reduce_sum_max(vec2f(sum, 0.0), lane).x / f32(COLS) + EPSILON);
  for (var i = lane; i < COLS / 4u; i += THREADS) {
    y[out + i] = x[row + i] / rms * weight[i];
  }
}
