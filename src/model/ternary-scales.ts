// The scales of a ternary matrix on their way to the GPU. Files store a scale for every block of 64 to 256 columns, even
// where all are the same, as in files of BitNet models: what is the same along every row is kept once a row, which
// spares the kernels the reading. Whether all are the same can only be said when all have been read.

import { ROW_BLOCK, groupCount, scaleCount, type ScaleGroup } from '../formats/canonical';
import type { BufferMaker, MemoryPart } from '../gpu/buffers';

/** Collects the scales of a matrix [rows, cols], `rows` being whole row blocks. */
export class ScaleCollector {
  readonly #byRow: Float32Array;
  readonly #byGroup: GPUBuffer | undefined;
  readonly #rowBuffer: GPUBuffer;
  #rowsSuffice = true;

  constructor(
    private readonly buffers: BufferMaker,
    label: string,
    rows: number,
    private readonly cols: number,
    /** The columns that share a scale in the file; the fewest, if it has several encodings for one matrix. */
    private readonly group: ScaleGroup,
    part: MemoryPart,
    /** What all scales are multiplied by on their way. */
    private readonly factor = 1,
  ) {
    this.#byRow = new Float32Array(rows);
    this.#rowBuffer = buffers.createBuffer(`${label} scales`, rows * 4, { part });
    if (group === 'row') return;
    const bytes = scaleCount(rows, cols, group) * 4;
    this.#byGroup = buffers.createBuffer(`${label} group scales`, bytes, { part });
  }

  /** Whether what came so far is the same along every row. */
  get rowsSuffice(): boolean {
    return this.#rowsSuffice;
  }

  /** Takes scales of whole row blocks from `firstRow` on, as the file has them, in the canonical order for groups of `group` columns. */
  write(firstRow: number, ofFile: Float32Array, group: ScaleGroup): void {
    const scales = this.factor === 1 ? ofFile : ofFile.map((scale) => scale * this.factor);
    const groups = groupCount(this.cols, group);
    for (let row = firstRow, at = 0; at < scales.length; row += ROW_BLOCK) {
      this.#byRow.set(scales.subarray(at, at + ROW_BLOCK), row);
      for (const end = at + groups * ROW_BLOCK; at < end; at++) {
        if (scales[at] !== this.#byRow[row + (at % ROW_BLOCK)]) this.#rowsSuffice = false;
      }
    }
    if (!this.#byGroup) return;
    const own = groupCount(this.cols, this.group);
    const offset = firstRow * own * 4;
    const data = group === this.group ? scales : this.#regroup(scales, group);
    this.buffers.write(this.#byGroup, offset, data);
  }

  /** Uploads the scales by row, if these suffice, or leaves them by group; frees what is not needed. */
  finish(rowsSuffice = this.#rowsSuffice): { scales: GPUBuffer; scaleGroup: ScaleGroup } {
    if (this.#byGroup && !rowsSuffice) {
      this.buffers.free(this.#rowBuffer);
      return { scales: this.#byGroup, scaleGroup: this.group };
    }
    this.buffers.write(this.#rowBuffer, 0, this.#byRow);
    if (this.#byGroup) this.buffers.free(this.#byGroup);
    return { scales: this.#rowBuffer, scaleGroup: 'row' };
  }

  /** Scales of wider groups as those of this collector's. */
  #regroup(scales: Float32Array, group: ScaleGroup): Float32Array {
    const from = groupCount(this.cols, group);
    const to = groupCount(this.cols, this.group);
    const ratio = group === 'row' ? to : group / (this.group as number);
    return Float32Array.from({ length: (scales.length / from) * to }, (_, i) => {
      const lane = i % ROW_BLOCK;
      const index = Math.floor(i / ROW_BLOCK) % to;
      const rowBlock = Math.floor(i / (ROW_BLOCK * to));
      return scales[(rowBlock * from + Math.floor(index / ratio)) * ROW_BLOCK + lane]!;
    });
  }
}
