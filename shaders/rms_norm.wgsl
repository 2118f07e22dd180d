// RMSNorm: y = x / sqrt(mean(x²) + EPSILON) · weight; of the last token's row, for the LM head, or with `all_rows` of all.
//
//   x       f32 [count, COLS]
//   weight  f32 [COLS]
//   y       f32 [COLS], or [count, COLS]
//   state   State, unless `all_rows`
//
// One workgroup a row. With `held` each thread has HELD vectors of it in registers, so that all is read at once and only once.

import constants::{COLS, THREADS, EPSILON};
import package::lib::state::State;
import package::lib::reduce::reduce_sum_max;

@if(one_subgroup || by_subgroups) enable subgroups;

@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read> weight: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4f>;
@if(!all_rows) @group(0) @binding(3) var<storage, read> state: State;

const vectors = u32(COLS) / 4u;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  @if(all_rows) let row = group.x * vectors;
  @if(!all_rows) let row = (state.count - 1u) * vectors;
  let out = group.x * vectors;
  var sum = 0.0;
  @unroll(k, HELD) {
    let i$k = lane + $ku * THREADS;
    let at$k = min(i$k, vectors - 1u);
    let x$k = select(vec4f(0.0), x[row + at$k], i$k < vectors);
    let w$k = weight[at$k];
    sum += dot(x$k, x$k);
  }
  @if(!held) {
    for (var i = lane; i < vectors; i += THREADS) {
      let v = x[row + i];
      sum += dot(v, v);
    }
  }
  let rms = sqrt(reduce_sum_max(vec2f(sum, 0.0), lane).x / f32(COLS) + EPSILON);
  @unroll(k, HELD) { if (i$k < vectors) { y[out + i$k] = x$k / rms * w$k; } }
  @if(!held) {
    for (var i = lane; i < vectors; i += THREADS) { y[out + i] = x[row + i] / rms * weight[i]; }
  }
}
