// The LM head as int8 rows, made from f16 rows that are on the GPU already: scale[r] = max|w[r, :]| / 127,
// code[r, c] = round(w[r, c] / scale[r]).
//
//   source  f16 [rows of the source shard, COLS], two values a word
//   codes   int8x16 [blocks of 8 rows, CHUNKS of 16 columns, 8 rows]: a thread a row, as in the ternary layout
//   scales  f32 [rows, padded to 8]
//   shape   (first row in the source, first row in the result, rows, workgroups along x)
//
// A thread makes one row. Columns from COLS on, and rows beyond the last, are left 0. Workgroups: x·y ≥ rows / 64.

import constants::{COLS, CHUNKS};
import package::lib::dot::pack_bytes;

struct Shape { source_row: u32, result_row: u32, rows: u32, groups_x: u32 }

@group(0) @binding(0) var<storage, read> source: array<u32>;
@group(0) @binding(1) var<storage, read_write> codes: array<u32>;
@group(0) @binding(2) var<storage, read_write> scales: array<f32>;
@group(0) @binding(3) var<uniform> shape: Shape;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let index = (group.y * shape.groups_x + group.x) * 64u + lane;
  if (index >= shape.rows) { return; }
  let from_word = (shape.source_row + index) * (COLS / 2u);
  var largest = 0.0;
  for (var i = 0u; i < COLS / 2u; i++) {
    let pair = abs(unpack2x16float(source[from_word + i]));
    largest = max(largest, max(pair.x, pair.y));
  }
  let scale = largest / 127.0;
  let inverse = select(0.0, 127.0 / largest, largest > 0.0);
  let row = shape.result_row + index;
  scales[row] = scale;
  for (var i = 0u; i < COLS / 4u; i++) {
    let low = unpack2x16float(source[from_word + 2u * i]);
    let high = unpack2x16float(source[from_word + 2u * i + 1u]);
    let word = (((row >> 3u) * CHUNKS + (i >> 2u)) * 8u + (row & 7u)) * 4u + (i & 3u);
    codes[word] = pack_bytes(vec4i(round(vec4f(low, high) * inverse)));
  }
}
