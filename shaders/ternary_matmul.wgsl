// Ternary matrix × int8 activations: y[t, r] = (Σ_c code[r, c]·q[t, c] − Σ_c q[t, c]) · scale[r] / s[t], code = weight + 1.
// Decode runs it with TOKENS = 1 (matrix × vector), prefill with more (matrix × matrix).
//
//   weights  u32x4 [row_blocks of 8 rows, chunks of 64 columns, 8 rows]: the canonical layout of src/formats/canonical.ts
//   scale    f32 [row_blocks, 8 rows]; with `weight_groups` [row_blocks, groups of SCALE_CHUNKS chunks, 8 rows]
//   q        int8 [tokens, chunks·64] from rms_norm_quantize, as bytes or as pairs, read as vec4u; or f32
//   scales   vec2f [tokens]: (1/s, Σ q); with `groups` [tokens, chunks]
//   y        f32 [tokens, stride], of which columns from `column` on are written
//   shape    (chunks, row_blocks, out, groups of a row of weights, 4, first_block, column, stride): not constants, so that
//            matrices of all shapes share their pipelines. Rows are those of row_blocks blocks from first_block on: a part
//            of a stacked matrix
//
// A thread owns one row of each of BLOCKS row blocks, for TOKENS tokens, and every SPLIT-th chunk of its columns: a
// workgroup is 8·SPLIT threads. Rows meet no other rows, so with SPLIT = 1 there is no reduction; else one barrier.
// Workgroups: x = row blocks / BLOCKS, y = tokens / TOKENS.
//
// Three ways to multiply, the first two exact:
//   bytes   four products at a time, dot4I8Packed(four codes, four activations);
//   pairs   two at a time by one 32-bit multiplication, for processors without that instruction. With activations packed
//           as p = q0·2^16 + q2, (c0 + c2·2^16)·p = c0·q2 + (c0·q0 + c2·q2)·2^16 modulo 2^32. Sums of 16 such products keep
//           the low half within ±2^13 and the high half within ±2^14, so rounding to a multiple of 2^16 separates them.
//           Of every four codes two are taken where they are, four times too large (`far`), for a shift costs some
//           processors more than a multiplication; 8 of those products go into a sum. Sums of high halves are f32, in
//           units of 2^16, and exact: they have fewer than 24 bits;
//   floats  f32 activations times weights unpacked to f32, four at a time: slower, and without rounding of activations.
// With `shared` the SPLIT teams of 8 threads have rows of their own instead of chunks, so there is no reduction: x = row blocks /
// (BLOCKS·SPLIT). What all of them need, RUN chunks of activations of all tokens, is brought to workgroup memory together, once.
//
// All rows need the same activations. With `broadcast` (SPLIT = 1) each of four lanes loads some and hands them round in
// registers: software adapters load lane by lane, whether addresses are equal or not.
//
// With `groups` activations have a scale (and Σ q) for every chunk, with `weight_groups` (only with `groups`) weights have
// one for every SCALE_CHUNKS chunks. A chunk's products are then brought to scale and summed in f32, in the order of the
// chunks that a thread has, so that results of variants differ by float rounding. Without, all variants agree to the bit.
//
// Variants of the result: `add` adds it to y (the residual); `gated` takes the matrix as gate rows over up rows, gives a
// thread the same row of both and writes activation(gate)·up, out = rows / 2; `times` takes the rows of the gate alone and
// multiplies y, which is up, by their activation. `relu2` makes it relu², else it is SiLU.

import constants::{BLOCKS, PAIRS, TOKENS, SPLIT, RUN, SCALE_CHUNKS};
import package::lib::dot::dot4;

@if(broadcast) enable subgroups;

struct Shape {
  chunks: u32,
  row_blocks: u32,
  out: u32,
  scale_groups: u32,
  quads: u32,
  first_block: u32,
  column: u32,
  stride: u32,
}

@group(0) @binding(0) var<storage, read> weights: array<vec4u>;
@group(0) @binding(1) var<storage, read> scale: array<f32>;
@if(floats) @group(0) @binding(2) var<storage, read> q: array<vec4f>;
@if(!floats) @group(0) @binding(2) var<storage, read> q: array<vec4u>;
@group(0) @binding(3) var<storage, read> scales: array<vec2f>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<uniform> shape: Shape;

const threads = 8u * SPLIT;
const values = u32(BLOCKS * TOKENS);
// What one in a sum stands for.
@if(pairs) const unit = 1.0 / 65536.0;
@if(!pairs) const unit = 1.0;
// From one chunk of a thread to the next.
@if(shared) const step = 1u;
@if(!shared) const step = u32(SPLIT);
// Vectors of activations in a chunk of 64 columns.
@if(floats) const vectors = 16u;
@if(pairs) const vectors = 8u;
@if(!pairs && !floats) const vectors = 4u;
// [TOKENS, RUN, vectors]
@if(shared) var<workgroup> staged: array<vec4u, TOKENS * RUN * vectors>;
@if(split && (pairs || floats || groups)) var<workgroup> partial: array<f32, threads * values>;
@if(split && !(pairs || floats || groups)) var<workgroup> partial: array<i32, threads * values>;

// The upper half of a sum of pairs of products, times 2^16.
fn high_half(sum: u32) -> f32 { return f32(i32((sum + 0x8000u) & 0xffff0000u)); }

fn activation(gate: f32) -> f32 {
  @if(relu2) { let positive = max(gate, 0.0); return positive * positive; }
  @if(!relu2) { return gate / (1.0 + exp(-gate)); }
}

// The b-th row block of a workgroup. The last workgroup may have too many: they repeat the last one, and are not written.
@if(gated)
fn block_index(group: u32, b: u32) -> u32 {
  return min(group * (BLOCKS / 2u) + b / 2u, shape.row_blocks / 2u - 1u) + (b & 1u) * (shape.row_blocks / 2u);
}
@if(!gated)
fn block_index(group: u32, b: u32) -> u32 {
  return shape.first_block + min(group * BLOCKS + b, shape.row_blocks - 1u);
}

@compute @workgroup_size(threads)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
  @if(broadcast) @builtin(subgroup_invocation_id) sublane: u32,
) {
  let row = lane & 7u;
  @if(split) let part = lane >> 3u;
  @if(!split) let part = 0u;
  @if(shared) let slice = group.x * SPLIT + (lane >> 3u);
  @if(!shared) let slice = group.x;
  let token = group.y * TOKENS;
  let chunks = shape.chunks;
  @unroll(b, BLOCKS) {
    let block$b = block_index(slice, $bu);
    let base$b = block$b * (chunks * 8u) + row;
    @if(weight_groups) let scale_base$b = block$b * (shape.scale_groups * 8u) + row;
    @unroll(t, TOKENS) {
      @if(groups) var sum$b_$t = 0.0;
      @if(!groups && (pairs || floats)) var dots$b_$t = 0.0;
      @if(!groups && !(pairs || floats)) var dots$b_$t = 0;
    }
  }
  @unroll(t, TOKENS) { let q_base$t = (token + $tu) * (chunks * vectors); }

  for (var chunk = part; chunk < chunks; chunk += step) {
    @if(shared) {
      if (chunk % RUN == 0u) {
        workgroupBarrier();
        for (var i = lane; i < TOKENS * RUN * vectors; i += threads) {
          let column = chunk * vectors + i % (RUN * vectors);
          if (column < chunks * vectors) { staged[i] = q[(token + i / (RUN * vectors)) * (chunks * vectors) + column]; }
        }
        workgroupBarrier();
      }
    }
    @if(shared) let run = chunk % RUN * vectors;
    @unroll(b, BLOCKS) {
      let w$b = weights[base$b + chunk * 8u];
      @unroll(t, TOKENS) {
        @if(groups && (pairs || floats)) var dots$b_$t = 0.0;
        @if(groups && !(pairs || floats)) var dots$b_$t = 0;
      }
    }
    @if(pairs) {
      @unroll(b, BLOCKS) { @unroll(t, TOKENS) { var near$b_$t = 0u; } }
      @unroll(t, TOKENS) {
        @unroll(h, 2) {
          @if(broadcast) let part$h_$t = q[q_base$t + chunk * vectors + 2u * (sublane & 3u) + $hu];
        }
      }
      @unroll(p, 2) {
        @unroll(b, BLOCKS) { @unroll(t, TOKENS) { var far$p_$b_$t = 0u; } }
        @unroll(i, 2) {
          // A word of codes, 16 columns, against two vec4u of activations.
          @unroll(t, TOKENS) {
            @unroll(h, 2) {
              @if(broadcast) let q$p_$i_$h_$t = subgroupBroadcast(part$h_$t, $(2*p+i)u);
              @if(shared) let q$p_$i_$h_$t = staged[run + $tu * (RUN * vectors) + $(4*p+2*i+h)u];
              @if(!broadcast && !shared) let q$p_$i_$h_$t = q[q_base$t + chunk * vectors + $(4*p+2*i+h)u];
            }
          }
          @unroll(b, BLOCKS) {
            let word$p_$i_$b_0 = w$b[$(2*p+i)];
            let word$p_$i_$b_1 = word$p_$i_$b_0 >> 4u;
            let word$p_$i_$b_2 = word$p_$i_$b_0 >> 8u;
            let word$p_$i_$b_3 = word$p_$i_$b_0 >> 12u;
            @unroll(h, 2) {
              let near_even$p_$i_$b_$h = word$p_$i_$b_$(1*h) & 0x00030003u;
              let near_odd$p_$i_$b_$h = word$p_$i_$b_$(1*h+2) & 0x00030003u;
              let far_even$p_$i_$b_$h = word$p_$i_$b_$(1*h) & 0x000c000cu;
              let far_odd$p_$i_$b_$h = word$p_$i_$b_$(1*h+2) & 0x000c000cu;
              @unroll(t, TOKENS) {
                near$b_$t += near_even$p_$i_$b_$h * q$p_$i_$h_$t.x + near_odd$p_$i_$b_$h * q$p_$i_$h_$t.y;
                far$p_$b_$t += far_even$p_$i_$b_$h * q$p_$i_$h_$t.z + far_odd$p_$i_$b_$h * q$p_$i_$h_$t.w;
              }
            }
          }
        }
        @unroll(b, BLOCKS) { @unroll(t, TOKENS) { dots$b_$t += 0.25 * high_half(far$p_$b_$t); } }
      }
      @unroll(b, BLOCKS) { @unroll(t, TOKENS) { dots$b_$t += high_half(near$b_$t); } }
    }
    @if(floats) {
      // Its bound is no constant, so that compilers do not unroll the loop: they would take seconds for it.
      for (var k = 0u; k < shape.quads; k++) {
        @unroll(j, 4) {
          @unroll(t, TOKENS) { let x$j_$t = q[q_base$t + chunk * vectors + $(4*j)u + k]; }
          @unroll(b, BLOCKS) {
            let code$b_$j = vec4u(w$b[$j] >> (2u * k)) >> vec4u(0u, 8u, 16u, 24u);
            let weight$b_$j = vec4f(code$b_$j & vec4u(3u)) - vec4f(1.0);
            @unroll(t, TOKENS) { dots$b_$t += dot(weight$b_$j, x$j_$t); }
          }
        }
      }
    }
    @if(!pairs && !floats) {
      @unroll(t, TOKENS) {
        @if(broadcast) let part$t = q[q_base$t + chunk * vectors + (sublane & 3u)];
      }
      @unroll(j, 4) {
        @unroll(t, TOKENS) {
          @if(broadcast) let q$j_$t = subgroupBroadcast(part$t, $ju);
          @if(shared) let q$j_$t = staged[run + $tu * (RUN * vectors) + $ju];
          @if(!broadcast && !shared) let q$j_$t = q[q_base$t + chunk * vectors + $ju];
        }
        @unroll(b, BLOCKS) {
          @unroll(k, 4) {
            let code$b_$j_$k = (w$b[$j] >> (2u * $ku)) & 0x03030303u;
            @unroll(t, TOKENS) { dots$b_$t += dot4(code$b_$j_$k, q$j_$t[$k]); }
          }
        }
      }
    }
    @unroll(t, TOKENS) { @if(groups) let group_scale$t = scales[(token + $tu) * chunks + chunk]; }
    @unroll(b, BLOCKS) {
      @if(weight_groups) let unit$b = scale[scale_base$b + chunk / SCALE_CHUNKS * 8u];
      @unroll(t, TOKENS) {
        @if(weight_groups) let to_scale$b_$t = unit$b * group_scale$t.x;
        @if(groups && !weight_groups) let to_scale$b_$t = group_scale$t.x;
        @if(groups) sum$b_$t += (f32(dots$b_$t) * unit - group_scale$t.y) * to_scale$b_$t;
      }
    }
  }
  @unroll(b, BLOCKS) { @unroll(t, TOKENS) { @if(!groups) var sum$b_$t = dots$b_$t; } }

  @if(split) {
    @unroll(b, BLOCKS) { @unroll(t, TOKENS) { partial[lane * values + $bu * TOKENS + $tu] = sum$b_$t; } }
    workgroupBarrier();
    if (part != 0u) { return; }
    for (var other = 1u; other < SPLIT; other++) {
      let first = (other * 8u + row) * values;
      @unroll(b, BLOCKS) { @unroll(t, TOKENS) { sum$b_$t += partial[first + $bu * TOKENS + $tu]; } }
    }
  }

  @unroll(b, BLOCKS) {
    @if(weight_groups) let factor$b = 1.0;
    @if(!weight_groups) let factor$b = scale[block$b * 8u + row];
  }
  @unroll(t, TOKENS) {
    {
      @if(!groups) let q_scale = scales[token + $tu];
      @unroll(b, BLOCKS) {
        @if(groups) let result$b = sum$b_$t * factor$b;
        @if(!groups) let result$b = (f32(sum$b_$t) * unit - q_scale.y) * (factor$b * q_scale.x);
      }
      let out = (token + $tu) * shape.stride + shape.column;
      @if(gated) {
        @unroll(p, PAIRS) {
          {
            let index = (slice * (BLOCKS / 2u) + $pu) * 8u + row;
            if (index < shape.out) { y[out + index] = activation(result$(2*p)) * result$(2*p+1); }
          }
        }
      }
      @if(!gated) {
        @unroll(b, BLOCKS) {
          {
            let index = (slice * BLOCKS + $bu) * 8u + row;
            if (index < shape.out) {
              @if(add) y[out + index] += result$b;
              @if(times) y[out + index] *= activation(result$b);
              @if(!add && !times) y[out + index] = result$b;
            }
          }
        }
      }
    }
  }
}
