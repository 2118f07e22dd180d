// RMSNorm of the last token's row, for the LM head: y = x / sqrt(mean(x²) + EPSILON) · weight.
//
//   state   State
//   x       f32 [count, COLS]
//   weight  f32 [COLS]
//   y       f32 [COLS]

import constants::{COLS, THREADS, EPSILON};
import package::lib::state::State;
import package::lib::reduce::reduce_sum_max;

@if(one_subgroup) enable subgroups;

@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> weight: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(THREADS)
fn main(@builtin(local_invocation_index) lane: u32) {
  let row = (state.count - 1u) * (COLS / 4u);
  var sum = 0.0;
  for (var i = lane; i < COLS / 4u; i += THREADS) {
    let v = x[row + i];
    sum += dot(v, v);
  }
  let rms = sqrt(reduce_sum_max(vec2f(sum, 0.0), lane).x / f32(COLS) + EPSILON);
  for (var i = lane; i < COLS / 4u; i += THREADS) {
    y[i] = x[row + i] / rms * weight[i];
  }
}
