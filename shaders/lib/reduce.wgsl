// Sums and maxima over a workgroup of THREADS threads.
//
//   one_subgroup   the workgroup is one subgroup, for certain: its lanes meet in registers
//   by_subgroups   the lanes of each subgroup meet in registers, and subgroups of whatever size in workgroup memory; for a
//                  power of two of threads
//   in_steps       no subgroups: sixteen threads add up what all have, and all add up what these have. No read waits for
//                  another one, as in a loop; for a power of two from 32 to 256 threads
//   none of them   every thread adds up what all have: for few threads

import constants::THREADS;

// .x collects sums, .y maxima of what is not negative.
@if(!one_subgroup) var<workgroup> partial: array<vec2f, THREADS>;
@if(in_steps) var<workgroup> sixteen: array<vec2f, 16>;

@if(!one_subgroup)
fn joined(a: vec2f, b: vec2f) -> vec2f { return vec2f(a.x + b.x, max(a.y, b.y)); }

// (Σ v.x, max v.y) over all threads. Call it in uniform control flow, at most once in a row without a barrier between.
@if(one_subgroup)
fn reduce_sum_max(v: vec2f, lane: u32) -> vec2f {
  return vec2f(subgroupAdd(v.x), subgroupMax(v.y));
}

@if(by_subgroups)
fn reduce_sum_max(v: vec2f, lane: u32) -> vec2f {
  // Counted, since some drivers name another size than the one that they compiled for. It divides THREADS, or is THREADS.
  let members = countOneBits(subgroupBallot(true));
  let size = members.x + members.y + members.z + members.w;
  let own = vec2f(subgroupAdd(v.x), subgroupMax(v.y));
  if (lane % size == 0u) { partial[lane / size] = own; }
  workgroupBarrier();
  var total = vec2f(0.0);
  for (var i = lane % size; i < THREADS / size; i += size) { total = joined(total, partial[i]); }
  return vec2f(subgroupAdd(total.x), subgroupMax(total.y));
}

@if(in_steps)
fn reduce_sum_max(v: vec2f, lane: u32) -> vec2f {
  partial[lane] = v;
  workgroupBarrier();
  if (lane < 16u) {
    var column = vec2f(0.0);
    @unroll(i, 16) { if ($iu * 16u < THREADS) { column = joined(column, partial[lane + $iu * 16u]); } }
    sixteen[lane] = column;
  }
  workgroupBarrier();
  var total = vec2f(0.0);
  @unroll(i, 16) { total = joined(total, sixteen[$i]); }
  return total;
}

@if(!one_subgroup && !by_subgroups && !in_steps)
fn reduce_sum_max(v: vec2f, lane: u32) -> vec2f {
  partial[lane] = v;
  workgroupBarrier();
  var total = partial[0];
  for (var i = 1u; i < THREADS; i++) { total = joined(total, partial[i]); }
  return total;
}
