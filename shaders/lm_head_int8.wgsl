// LM head with int8 rows and int8 activations: logits[first_row + r] = Σ_c code[r, c]·q[c] · scale[r] / s.
//
//   codes   int8x16 [row_blocks of 8 rows, chunks of 16 columns, 8 rows], see quantize_head; chunks a multiple of 4
//   scale   f32 [rows, padded to 8]
//   q       int8 [chunks·16], four a word, read as vec4u
//   scales  vec2f: (1/s, Σ q) from rms_norm_quantize
//   logits  f32 [vocabulary]
//   shape   (chunks, row_blocks, rows, first_row, workgroups along x)
//
// As in ternary_matmul a thread owns one row of each of BLOCKS row blocks and every SPLIT-th chunk of its columns.
// With `broadcast` (SPLIT = 1) four lanes load four chunks of activations and hand them round, as there.
// Workgroups: x·y ≥ row_blocks / BLOCKS, folded because a dimension has at most 65,535.

import constants::{BLOCKS, SPLIT};
import package::lib::dot::dot4;

@if(broadcast) enable subgroups;

struct Shape { chunks: u32, row_blocks: u32, rows: u32, first_row: u32, groups_x: u32 }

@group(0) @binding(0) var<storage, read> codes: array<vec4u>;
@group(0) @binding(1) var<storage, read> scale: array<f32>;
@group(0) @binding(2) var<storage, read> q: array<vec4u>;
@group(0) @binding(3) var<storage, read> scales: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> logits: array<f32>;
@group(0) @binding(5) var<uniform> shape: Shape;

const threads = 8u * SPLIT;
@if(split) var<workgroup> partial: array<i32, threads * BLOCKS>;

@compute @workgroup_size(threads)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32, @if(broadcast) @builtin(subgroup_invocation_id) sublane: u32) {
  let row = lane & 7u;
  @if(!broadcast) let part = lane >> 3u;
  let chunks = shape.chunks;
  let first_block = (group.y * shape.groups_x + group.x) * BLOCKS;
  @unroll(b, BLOCKS) {
    let block$b = min(first_block + $bu, shape.row_blocks - 1u);
    let base$b = block$b * (chunks * 8u) + row;
    var sum$b = 0;
  }
  @if(!broadcast) {
    for (var chunk = part; chunk < chunks; chunk += SPLIT) {
      let x = q[chunk];
      @unroll(b, BLOCKS) { let w$b = codes[base$b + chunk * 8u]; }
      @unroll(b, BLOCKS) { @unroll(j, 4) { sum$b += dot4(w$b[$j], x[$j]); } }
    }
  }
  @if(broadcast) {
    for (var chunk = 0u; chunk < chunks; chunk += 4u) {
      let mine = q[chunk + (sublane & 3u)];
      @unroll(i, 4) {
        let x$i = subgroupBroadcast(mine, $iu);
        @unroll(b, BLOCKS) {
          let w$b_$i = codes[base$b + (chunk + $iu) * 8u];
          @unroll(j, 4) { sum$b += dot4(w$b_$i[$j], x$i[$j]); }
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
  let q_scale = scales[0].x;
  @unroll(b, BLOCKS) {
    {
      let index = (first_block + $bu) * 8u + row;
      if (index < shape.rows) {
        logits[shape.first_row + index] = f32(sum$b) * (scale[block$b * 8u + row] * q_scale);
      }
    }
  }
}
