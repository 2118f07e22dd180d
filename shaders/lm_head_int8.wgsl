// LM head with int8 rows: logits[first_row + r] = Σ_c code[r, c]·scale[r, c / 32]·x[c], where x = q / s is int8 or f32.
//
//   codes   int8x16 [row_blocks of 8 rows, pieces · 4 chunks of 16 columns, 8 rows], see int8_rows
//   scale   f16 [row_blocks, pieces of 64 columns, 8 rows, 2 groups of 32 columns], two a word
//   q       int8 [pieces·64], four a word, read as vec4u; with `floats` f32, read as vec4f
//   scales  vec2f: (1/s, Σ q) from rms_norm_quantize; not with `floats`
//   logits  f32 [vocabulary]
//   shape   (pieces, row_blocks, rows, first_row, workgroups along x)
//
// As in ternary_matmul a thread owns one row of each of BLOCKS row blocks and every SPLIT-th piece of its columns. The 32
// products of a group are added as integers, their sums in f32, so variants differ by float rounding. With `broadcast`
// (SPLIT = 1) four lanes load four chunks of activations and hand them round, as there. With `floats` nothing is rounded
// but the sums.
// Workgroups: x·y ≥ row_blocks / BLOCKS, folded because a dimension has at most 65,535.

import constants::{BLOCKS, SPLIT};
import package::lib::dot::{dot4, unpack_bytes};
import package::lib::f16::unpack_f16;

@if(broadcast) enable subgroups;

struct Shape { pieces: u32, row_blocks: u32, rows: u32, first_row: u32, groups_x: u32 }

@group(0) @binding(0) var<storage, read> codes: array<vec4u>;
@group(0) @binding(1) var<storage, read> scale: array<u32>;
@if(floats) @group(0) @binding(2) var<storage, read> q: array<vec4f>;
@if(!floats) @group(0) @binding(2) var<storage, read> q: array<vec4u>;
@group(0) @binding(3) var<storage, read_write> logits: array<f32>;
@group(0) @binding(4) var<uniform> shape: Shape;
@if(!floats) @group(0) @binding(5) var<storage, read> scales: array<vec2f>;

const threads = 8u * SPLIT;
@if(split) var<workgroup> partial: array<f32, threads * BLOCKS>;

@compute @workgroup_size(threads)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
  @if(broadcast) @builtin(subgroup_invocation_id) sublane: u32,
) {
  let row = lane & 7u;
  @if(split) let part = lane >> 3u;
  @if(!split) let part = 0u;
  let pieces = shape.pieces;
  let first_block = (group.y * shape.groups_x + group.x) * BLOCKS;
  @unroll(b, BLOCKS) {
    let block$b = min(first_block + $bu, shape.row_blocks - 1u);
    let base$b = block$b * (pieces * 32u) + row;
    let scale_base$b = block$b * (pieces * 8u) + row;
    var sum$b = 0.0;
  }
  for (var piece = part; piece < pieces; piece += SPLIT) {
    @unroll(b, BLOCKS) {
      let groups$b = unpack_f16(scale[scale_base$b + piece * 8u]);
    }
    @if(broadcast) let mine = q[piece * 4u + (sublane & 3u)];
    @unroll(g, 2) {
      @unroll(b, BLOCKS) {
        @if(floats) var dots$g_$b = 0.0;
        @if(!floats) var dots$g_$b = 0;
      }
      @unroll(i, 2) {
        @if(broadcast) let x$g_$i = subgroupBroadcast(mine, $(2*g+i)u);
        @if(!broadcast && !floats) let x$g_$i = q[piece * 4u + $(2*g+i)u];
        @unroll(j, 4) {
          @if(floats) let x$g_$i_$j = q[piece * 16u + $(8*g+4*i+j)u];
        }
        @unroll(b, BLOCKS) {
          let w$g_$i_$b = codes[base$b + (piece * 4u + $(2*g+i)u) * 8u];
          @unroll(j, 4) {
            @if(floats) dots$g_$b += dot(vec4f(unpack_bytes(w$g_$i_$b[$j])), x$g_$i_$j);
            @if(!floats) dots$g_$b += dot4(w$g_$i_$b[$j], x$g_$i[$j]);
          }
        }
      }
    }
    @unroll(b, BLOCKS) { sum$b += f32(dots0_$b) * groups$b.x + f32(dots1_$b) * groups$b.y; }
  }
  @if(split) {
    @unroll(b, BLOCKS) { partial[lane * BLOCKS + $bu] = sum$b; }
    workgroupBarrier();
    if (part != 0u) { return; }
    for (var other = 1u; other < SPLIT; other++) {
      @unroll(b, BLOCKS) { sum$b += partial[(other * 8u + row) * BLOCKS + $bu]; }
    }
  }
  @if(floats) let q_scale = 1.0;
  @if(!floats) let q_scale = scales[0].x;
  @unroll(b, BLOCKS) {
    {
      let index = (first_block + $bu) * 8u + row;
      if (index < shape.rows) { logits[shape.first_row + index] = sum$b * q_scale; }
    }
  }
}
