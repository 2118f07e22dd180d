// LM head with f16 weights and f32 activations: logits[first_row + r] = Σ_c weight[r, c] · x[c].
//
//   weights  f16 [rows, COLS], two values a word, read as vec4u: one shard of the head
//   x        f32 [COLS], normalised
//   logits   f32 [vocabulary]
//   shape    (rows of the shard, its first row, workgroups along x)
//
// A workgroup owns ROWS_PER_GROUP rows; its threads share their columns and meet at one barrier.
// Workgroups: x·y ≥ rows / ROWS_PER_GROUP, folded because a dimension has at most 65,535.

import constants::{COLS, ROWS_PER_GROUP, THREADS};

struct Shape { rows: u32, first_row: u32, groups_x: u32 }

@group(0) @binding(0) var<storage, read> weights: array<vec4u>;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> logits: array<f32>;
@group(0) @binding(3) var<uniform> shape: Shape;

var<workgroup> partial: array<f32, THREADS * ROWS_PER_GROUP>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let first = (group.y * shape.groups_x + group.x) * ROWS_PER_GROUP;
  @unroll(r, ROWS_PER_GROUP) {
    var sum$r = 0.0;
    let base$r = min(first + $ru, shape.rows - 1u) * (COLS / 8u);
  }
  for (var i = lane; i < COLS / 8u; i += THREADS) {
    let x0 = x[2u * i];
    let x1 = x[2u * i + 1u];
    @unroll(r, ROWS_PER_GROUP) {
      let w$r = weights[base$r + i];
      sum$r += dot(vec4f(unpack2x16float(w$r.x), unpack2x16float(w$r.y)), x0)
        + dot(vec4f(unpack2x16float(w$r.z), unpack2x16float(w$r.w)), x1);
    }
  }
  @unroll(r, ROWS_PER_GROUP) { partial[lane * ROWS_PER_GROUP + $ru] = sum$r; }
  workgroupBarrier();
  for (var r = lane; r < ROWS_PER_GROUP; r += THREADS) {
    var sum = 0.0;
    for (var i = 0u; i < THREADS; i++) { sum += partial[i * ROWS_PER_GROUP + r]; }
    if (first + r < shape.rows) { logits[shape.first_row + first + r] = sum; }
  }
}
