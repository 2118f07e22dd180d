// LM head with rows in the blocks of their file: logits[first_row + r] = Σ_c w[r, c]·x[c], where x = q / s is int8 or f32. The
// layout, and what n, d, a, m and b are, is said in src/formats/block-rows.ts:
//
//   q4_0  w = d·n            d for 32 columns
//   q4_k  w = d·a·(n + 8) − m·b, d and m for 256 columns, a and b for 32
//   q6_k  w = d·a·n          d for 256 columns, a for 16
//
//   codes   u32x4 [row_blocks of 8 rows, pieces of 64 columns, PLANES, 8 rows]
//   scale   u32 [row_blocks, pieces, 8 rows], or [row_blocks, pieces / 4, 5, 8 rows]
//   q       int8 [pieces·64], four a word, read as vec4u; with `floats` f32, read as vec4f
//   scales  vec2f: (1/s, Σ q) from rms_norm_quantize; not with `floats`
//   logits  f32 [vocabulary]
//   shape   (pieces, row_blocks, rows, first_row, workgroups along x)
//
// Threads, BLOCKS, SPLIT and `broadcast` are as in lm_head_int8. Products of a piece are added, and multiplied by a and b, as
// integers; the sums of pieces are f32, so variants differ by float rounding. With `floats` nothing is rounded but the sums.
// Workgroups: x·y ≥ row_blocks / BLOCKS, folded because a dimension has at most 65,535.

import constants::{BLOCKS, SPLIT, PLANES};
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

// Sixteen activations, and what sums of their products are.
@if(floats) alias Chunk = mat4x4f;
@if(floats) alias Sum = f32;
@if(!floats) alias Chunk = vec4u;
@if(!floats) alias Sum = i32;

// Codes are 16·n, or in q6_k 4·n, since their bits are the uppermost of a byte.
@if(q6_k) const unit = 0.25;
@if(!q6_k) const unit = 0.0625;

const threads = 8u * SPLIT;
@if(split) var<workgroup> partial: array<f32, threads * BLOCKS>;

fn even_chunk(plane: vec4u) -> vec4u { return (plane << vec4u(4u)) & vec4u(0xf0f0f0f0u); }

fn odd_chunk(plane: vec4u) -> vec4u { return plane & vec4u(0xf0f0f0f0u); }

@if(floats)
fn dot16(w: vec4u, x: Chunk) -> Sum {
  return dot(vec4f(unpack_bytes(w.x)), x[0]) + dot(vec4f(unpack_bytes(w.y)), x[1])
    + dot(vec4f(unpack_bytes(w.z)), x[2]) + dot(vec4f(unpack_bytes(w.w)), x[3]);
}

@if(!floats)
fn dot16(w: vec4u, x: Chunk) -> Sum {
  return dot4(w.x, x.x) + dot4(w.y, x.y) + dot4(w.z, x.z) + dot4(w.w, x.w);
}

@if(q4_k && floats)
fn sum16(x: Chunk) -> Sum { return dot(x[0] + x[1] + x[2] + x[3], vec4f(1.0)); }

@if(q4_k && !floats)
fn sum16(x: Chunk) -> Sum { return dot16(vec4u(0x01010101u), x); }

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
    let base$b = block$b * (pieces * (PLANES * 8u)) + row;
    @if(q4_0) let scale_base$b = block$b * (pieces * 8u) + row;
    @if(!q4_0) let scale_base$b = block$b * (pieces * 10u) + row;
    var sum$b = 0.0;
  }
  for (var piece = part; piece < pieces; piece += SPLIT) {
    @if(broadcast) let mine = q[piece * 4u + (sublane & 3u)];
    @unroll(k, 4) {
      @if(broadcast) let x$k = subgroupBroadcast(mine, $ku);
      @if(!broadcast && !floats) let x$k = q[piece * 4u + $ku];
      @if(floats) let x$k = mat4x4f(
        q[piece * 16u + $(4*k)u], q[piece * 16u + $(4*k+1)u], q[piece * 16u + $(4*k+2)u], q[piece * 16u + $(4*k+3)u]);
    }
    @if(q4_k) let total0 = sum16(x0) + sum16(x1);
    @if(q4_k) let total1 = sum16(x2) + sum16(x3);
    @unroll(b, BLOCKS) {
      {
        let at = base$b + piece * (PLANES * 8u);
        @if(q4_0) let of_piece = scale[scale_base$b + piece * 8u];
        @if(!q4_0) let scale_at = scale_base$b + (piece >> 2u) * 40u;
        @if(!q4_0) let of_piece = scale[scale_at + (piece & 3u) * 8u];
        @if(!q4_0) let of_group = unpack_f16(scale[scale_at + 32u]);
        let plane0 = codes[at];
        let plane1 = codes[at + 8u];
        @if(q6_k) let plane2 = codes[at + 16u];
        var w0 = even_chunk(plane0);
        var w1 = odd_chunk(plane0);
        var w2 = even_chunk(plane1);
        var w3 = odd_chunk(plane1);
        @if(q6_k) {
          let lower = vec4u(0x0c0c0c0cu);
          w0 |= (plane2 << vec4u(2u)) & lower;
          w1 |= plane2 & lower;
          w2 |= (plane2 >> vec4u(2u)) & lower;
          w3 |= (plane2 >> vec4u(4u)) & lower;
        }
        let dots0 = dot16(w0, x0);
        let dots1 = dot16(w1, x1);
        let dots2 = dot16(w2, x2);
        let dots3 = dot16(w3, x3);
        @if(q4_0) {
          let d = unpack_f16(of_piece);
          sum$b += f32(dots0 + dots1) * d.x + f32(dots2 + dots3) * d.y;
        }
        @if(q4_k) {
          let ab = vec4u(of_piece, of_piece >> 6u, of_piece >> 12u, of_piece >> 18u) & vec4u(63u);
          let products = Sum(ab.x) * (dots0 + dots1 + Sum(128) * total0) + Sum(ab.z) * (dots2 + dots3 + Sum(128) * total1);
          let minima = Sum(ab.y) * total0 + Sum(ab.w) * total1;
          sum$b += f32(products) * of_group.x - f32(minima) * (of_group.y / unit);
        }
        @if(q6_k) {
          let a = unpack_bytes(of_piece);
          sum$b += f32(Sum(a.x) * dots0 + Sum(a.y) * dots1 + Sum(a.z) * dots2 + Sum(a.w) * dots3) * of_group.x;
        }
      }
    }
  }
  @if(split) {
    @unroll(b, BLOCKS) { partial[lane * BLOCKS + $bu] = sum$b; }
    workgroupBarrier();
    if (part != 0u) { return; }
    for (var other = 1u; other < SPLIT; other++) {
      @unroll(b, BLOCKS) { sum$b += partial[(other * 8u + row) * BLOCKS + $bu]; }
    }
  }
  @if(floats) let q_scale = unit;
  @if(!floats) let q_scale = unit * scales[0].x;
  @unroll(b, BLOCKS) {
    {
      let index = (first_block + $bu) * 8u + row;
      if (index < shape.rows) { logits[shape.first_row + index] = sum$b * q_scale; }
    }
  }
}
