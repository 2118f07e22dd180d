// Joins the splits of `attention` for one token: out[h] = Σ_s partial[s, h]·w_s / Σ_s w_s, w_s = l_s·exp(m_s − max m).
//
//   state    State
//   partial  f32 [splits, HEADS, HEAD_DIM]
//   summary  vec2f [splits, HEADS]: (m_s, l_s)
//   out      f32 [HEADS·HEAD_DIM]
//
// A thread owns two dimensions of a head, and reads four splits at once. Workgroups: x covers HEADS·HEAD_DIM/2.

import constants::{HEADS, HEAD_DIM, SPLIT_LENGTH, THREADS};
import package::lib::state::State;

@group(0) @binding(0) var<storage, read> state: State;
@group(0) @binding(1) var<storage, read> partial: array<vec2f>;
@group(0) @binding(2) var<storage, read> summary: array<vec2f>;
@group(0) @binding(3) var<storage, read_write> out: array<vec2f>;

@compute @workgroup_size(THREADS)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let pair = id.x;
  if (pair >= HEADS * HEAD_DIM / 2u) { return; }
  let head = pair / (HEAD_DIM / 2u);
  let splits = (state.position + SPLIT_LENGTH) / SPLIT_LENGTH;
  var maximum = -1.0e30;
  var total = 0.0;
  var sum = vec2f(0.0);
  for (var first = 0u; first < splits; first += 4u) {
    @unroll(a, 4) {
      let s$a = min(first + $au, splits - 1u);
      let part$a = summary[s$a * HEADS + head];
      let value$a = partial[s$a * (HEADS * HEAD_DIM / 2u) + pair];
    }
    @unroll(a, 4) {
      if (first + $au < splits) {
        let larger = max(maximum, part$a.x);
        let keep = exp(maximum - larger);
        let weight = part$a.y * exp(part$a.x - larger);
        sum = sum * keep + value$a * weight;
        total = total * keep + weight;
        maximum = larger;
      }
    }
  }
  out[pair] = sum / total;
}
