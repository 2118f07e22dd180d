// Embedding: x[t, :] = SCALE · table[ids[t], :].
//
//   ids     u32 [count]
//   table   f16 [rows, DIM], two values a word: one shard of the embedding
//   x       f32 [count, DIM]
//   shape   (first row, rows) of the shard
//
// One workgroup a token. Shards write only the tokens that lie in them.

import constants::{DIM, THREADS, SCALE};

struct Shape { first_row: u32, rows: u32 }

@group(0) @binding(0) var<storage, read> ids: array<u32>;
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read_write> x: array<vec2f>;
@group(0) @binding(3) var<uniform> shape: Shape;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let token = group.x;
  let row = ids[token] - shape.first_row;
  if (row >= shape.rows) { return; }
  for (var i = lane; i < DIM / 2u; i += THREADS) {
    x[token * (DIM / 2u) + i] = SCALE * unpack2x16float(table[row * (DIM / 2u) + i]);
  }
}
