// Embedding: x[t, :] = SCALE · table[ids[t], :].
//
//   ids     u32 [count]
//   table   one shard of the embedding: f16 [rows, DIM], two values a word; or, with `int8`, the codes of int8_rows, four
//           a word; or, with `ternary`, canonical codes of src/formats/canonical.ts, sixteen a word
//   x       f32 [count, DIM]
//   shape   (first row, rows) of the shard
//   scales  with `int8` f16 [blocks of 8 rows, PIECES, 8 rows, 2 groups of 32 columns]; with `ternary`
//           f32 [blocks of 8 rows, GROUPS groups of GROUP_QUADS quads of columns, 8 rows]
//
// One workgroup a token; a thread has four columns at a time. Shards write only the tokens that lie in them.

import constants::{DIM, PIECES, GROUPS, GROUP_QUADS, THREADS, SCALE};
import package::lib::dot::unpack_bytes;

struct Shape { first_row: u32, rows: u32 }

@group(0) @binding(0) var<storage, read> ids: array<u32>;
@group(0) @binding(1) var<storage, read> table: array<u32>;
@group(0) @binding(2) var<storage, read_write> x: array<vec4f>;
@group(0) @binding(3) var<uniform> shape: Shape;
@if(int8) @group(0) @binding(4) var<storage, read> scales: array<u32>;
@if(ternary) @group(0) @binding(4) var<storage, read> scales: array<f32>;

// Columns 4·i to 4·i + 3 of a row.
@if(!int8 && !ternary)
fn quad(row: u32, i: u32) -> vec4f {
  let word = row * (DIM / 2u) + 2u * i;
  return vec4f(unpack2x16float(table[word]), unpack2x16float(table[word + 1u]));
}

@if(int8)
fn quad(row: u32, i: u32) -> vec4f {
  // Four quads are a chunk, of which four are a piece; eight quads are a group, two of which share a word.
  let word = table[(((row >> 3u) * (PIECES * 4u) + (i >> 2u)) * 8u + (row & 7u)) * 4u + (i & 3u)];
  let halves = unpack2x16float(scales[((row >> 3u) * PIECES + (i >> 4u)) * 8u + (row & 7u)]);
  return vec4f(unpack_bytes(word)) * select(halves.x, halves.y, (i & 8u) != 0u);
}

@if(ternary)
fn quad(row: u32, i: u32) -> vec4f {
  // Four quads are a word, four words a chunk.
  let word = table[(((row >> 3u) * PIECES + (i >> 4u)) * 8u + (row & 7u)) * 4u + ((i >> 2u) & 3u)];
  let codes = vec4u(word >> (2u * (i & 3u))) >> vec4u(0u, 8u, 16u, 24u);
  let scale = scales[((row >> 3u) * GROUPS + i / GROUP_QUADS) * 8u + (row & 7u)];
  return (vec4f(codes & vec4u(3u)) - vec4f(1.0)) * scale;
}

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let token = group.x;
  let row = ids[token] - shape.first_row;
  if (row >= shape.rows) { return; }
  for (var i = lane; i < DIM / 4u; i += THREADS) {
    x[token * (DIM / 4u) + i] = SCALE * quad(row, i);
  }
}
