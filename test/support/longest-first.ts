// The order of test files: those that take longest begin first, so that two at a time end together.
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * Files that take more than some ten seconds, the longest first; measured on two cores. A file that is not
 * here, or at the wrong place, costs a little time and nothing else.
 */
const SLOW = [
  'unit/watchdog',
  'unit/model/real-files',
  'unit/storage/download',
  'unit/storage/cache',
  'unit/tokenizer/chat-template',
  'unit/tools/fuzz',
  'unit/inference/plan',
  'unit/tokenizer/real-vocabularies',
  'e2e/engine',
  'e2e/worker',
  'e2e/recovery',
  'e2e/storage',
  'e2e/policies',
  'e2e/package',
  'gpu/recovery',
  'gpu/variants',
  'gpu/architectures',
  'gpu/memory',
  'gpu/golden',
  'gpu/formats',
  'gpu/again',
  'gpu/kernels/attention',
  'gpu/kernels/sample',
  'gpu/reload',
  'gpu/suspension',
  'gpu/profile',
  'gpu/kv-cache-int8',
  'gpu/session/endings',
  'gpu/inspect',
  'gpu/soak',
  'gpu/plan',
  'gpu/abort',
  'gpu/embedding',
];

/** The name of a test file, as in the list. */
function nameOf({ moduleId }: TestSpecification): string {
  return moduleId.replaceAll('\\', '/').replace(/^.*\/test\/|(\.one-driver)?\.test\.ts$/g, '');
}

/** Vitest's own order (by what the last run took here, or by size) for what is not in the list. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const others = await super.sort(files);
    const place = (file: TestSpecification): number => {
      const at = SLOW.indexOf(nameOf(file));
      return at < 0 ? SLOW.length : at;
    };
    return others.sort((a, b) => place(a) - place(b));
  }
}
