// Matrices of int8 rows (shaders/int8_rows.wgsl), in bytes or in two planes, and making them from f16 rows that come piece by piece.

import { planeRow } from '../formats/planes';
import { largestBinding, type BufferMaker, type MemoryPart } from '../gpu/buffers';
import { encodePass, type Dispatch, type UploadTarget } from '../gpu/context';
import { gridByTokens } from '../gpu/grid';
import type { Int8Matrix, PlaneMatrix } from './matrices';
import { cutRows } from './shards';

/** Columns that lie together, two groups with a scale each. */
const PIECE_COLS = 64;

/** Bytes of f16 rows that wait to become int8. */
const STAGING_BYTES = 16 << 20;

/** Pieces of 64 columns of a row. */
export function pieceCount(cols: number): number {
  return Math.ceil(cols / PIECE_COLS);
}

/** Room for `rows` × `cols` int8 codes with a scale for every 32 columns, in shards that fit a binding. */
export function createInt8Matrix(
  buffers: BufferMaker,
  label: string,
  rows: number,
  cols: number,
  part: MemoryPart,
): Int8Matrix {
  const pieces = pieceCount(cols);
  const rowBytes = pieces * PIECE_COLS;
  const shards = cutRows(rows, rowBytes, largestBinding(buffers.limits)).map((shard, i) => {
    const padded = Math.ceil(shard.rows / 8) * 8;
    return {
      ...shard,
      codes: buffers.createBuffer(`${label} ${i}`, padded * rowBytes, { part }),
      scales: buffers.createBuffer(`${label} scales ${i}`, padded * pieces * 4, { part }),
    };
  });
  return { format: 'int8', rows, cols, shards };
}

/** The same numbers and scales in two planes, which takes a 34th more, and the little that its products need. */
export function createPlaneMatrix(
  buffers: BufferMaker,
  label: string,
  rows: number,
  cols: number,
  part: MemoryPart,
): PlaneMatrix {
  const row = planeRow(cols);
  const shards = cutRows(rows, row.low * 4, largestBinding(buffers.limits)).map((shard, i) => {
    const padded = Math.ceil(shard.rows / 8) * 8;
    const words = (what: string, count: number): GPUBuffer =>
      buffers.createBuffer(`${label}${what} ${i}`, padded * count * 4, { part });
    return {
      ...shard,
      codes: words('', row.high),
      low: words(' low', row.low),
      scales: words(' scales', row.scales),
    };
  });
  const work = (what: string, bytes: number): GPUBuffer => buffers.createBuffer(`${label} ${what}`, bytes);
  const scratch = {
    sums: work('sums', (2 + 2 * row.pieces) * 8),
    upper: work('upper', rows * 4),
    bound: work('bound', 8),
  };
  return { format: 'planes', rows, cols, shards, scratch };
}

/** Fills an int8 matrix with f16 elements that come in order, by way of a staging buffer on the GPU. */
export class Int8RowWriter {
  /** The first row that is staged. */
  #firstRow = 0;
  /** Elements that are staged. */
  #staged = 0;

  private constructor(
    private readonly gpu: UploadTarget,
    private readonly matrix: Int8Matrix | PlaneMatrix,
    private readonly staging: GPUBuffer,
    /** A dispatch for each shard of the matrix, and the buffer that tells it what to do. */
    private readonly targets: readonly { dispatch: Dispatch; shape: GPUBuffer }[],
  ) {}

  /** Rejects with `out-of-memory` if the device has no room for the staging buffer. */
  static async create(
    gpu: UploadTarget,
    matrix: Int8Matrix | PlaneMatrix,
    stagingBytes = STAGING_BYTES,
  ): Promise<Int8RowWriter> {
    const { rows, cols, shards, format } = matrix;
    const rowsAtOnce = Math.min(rows, Math.max(1, Math.floor(stagingBytes / (cols * 2))));
    const grid = gridByTokens((count) => [Math.ceil((count * pieceCount(cols)) / 64), 1, 1]);
    const staging = await gpu.checkedAllocation('rows on their way', () =>
      gpu.createBuffer('staged rows', rowsAtOnce * cols * 2),
    );
    const targets = await Promise.all(
      shards.map(async (shard) => {
        const shape = gpu.createBuffer('staged shape', 24, { usage: GPUBufferUsage.UNIFORM });
        const low = 'low' in shard ? [shard.low] : [];
        const buffers = [staging, shard.codes, shard.scales, shape, ...low];
        const spec = { shader: 'int8_rows', conditions: { planes: format === 'planes' } };
        return { shape, dispatch: await gpu.dispatch('int8 rows', spec, buffers, grid) };
      }),
    );
    return new Int8RowWriter(gpu, matrix, staging, targets);
  }

  /** Takes the next elements of the flattened matrix as the bits of f16, an even number of them. */
  write(values: Uint16Array): void {
    const { rows, cols } = this.matrix;
    const room = Math.floor(this.staging.size / (cols * 2)) * cols;
    for (let at = 0; at < values.length;) {
      const count = Math.min(values.length - at, room - this.#staged);
      this.gpu.write(this.staging, this.#staged * 2, values.subarray(at, at + count));
      this.#staged += count;
      at += count;
      if (this.#staged === room || this.#firstRow + this.#staged / cols === rows) this.#convert();
    }
  }

  /** Frees what was needed on the way. */
  free(): void {
    this.gpu.free(this.staging);
    for (const { shape } of this.targets) this.gpu.free(shape);
  }

  /** Converts the rows that are staged. What the queue is told is done in order, so the next ones can be staged at once. */
  #convert(): void {
    const { cols, shards } = this.matrix;
    const { device } = this.gpu;
    const first = this.#firstRow;
    const end = first + this.#staged / cols;
    const encoder = device.createCommandEncoder();
    for (const [i, shard] of shards.entries()) {
      const from = Math.max(first, shard.firstRow);
      const rows = Math.min(end, shard.firstRow + shard.rows) - from;
      if (rows <= 0) continue;
      const { dispatch, shape } = this.targets[i]!;
      const blocks = Math.ceil(shard.rows / 8);
      const sizes = [from - first, from - shard.firstRow, rows, cols, pieceCount(cols), blocks];
      this.gpu.write(shape, 0, Uint32Array.from(sizes));
      encodePass(encoder, [dispatch], rows);
    }
    device.queue.submit([encoder.finish()]);
    this.#firstRow = end;
    this.#staged = 0;
  }
}
