// The chips that kernels can be compiled for, and what of this machine it takes: Mesa's drivers, on a stub of the kernel's
// interface that accepts everything and does nothing.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { env } from 'node:process';
import { AMD } from './amd';
import { compiledBy, type Compiled, type Compiler } from './compiler';
import { INTEL } from './intel';
import type { PipelineUse } from './pipelines';

/** A chip by the name that the stub has for it. */
export interface Chip {
  name: string;
  /** A product that has it. */
  product: string;
  vendor: Vendor;
}

/** A vendor's driver, its stub, and its compiler. */
export interface Vendor {
  /** What is missing where {@link chipEnvironment} gives nothing. */
  needs: string;
  /** Whether what it needs is more than packages: then chips without it are passed over. */
  optional: boolean;
  manifest: RegExp;
  shim: string;
  /** Folders that are looked into before those of the system. */
  folders: readonly string[];
  /** Variables that name the chip, and have the compiler print. */
  variables(chip: string): Record<string, string>;
  legend: string;
  fine: string;
  compiled(use: PipelineUse, lines: readonly string[]): Compiled;
}

const readBy = <S>(compiler: Compiler<S>): Pick<Vendor, 'legend' | 'fine' | 'compiled'> => ({
  legend: compiler.legend,
  fine: compiler.fine,
  compiled: (use, lines) => compiledBy(compiler, use, lines),
});

const RADV: Vendor = {
  needs: 'the packages mesa-vulkan-drivers and mesa-drm-shim, of bookworm-backports or later',
  optional: false,
  manifest: /radeon_icd[^/]*\.json$/,
  shim: 'libamdgpu_noop_drm_shim.so',
  folders: [],
  variables: (chip) => ({ AMDGPU_GPU_ID: chip, RADV_DEBUG: 'shaderstats' }),
  ...readBy(AMD),
};

const SHIM_FOLDER = 'TERNION_INTEL_SHIM';

const ANV: Vendor = {
  needs:
    `the package mesa-vulkan-drivers and, in the folder that ${SHIM_FOLDER} names, libintel_noop_drm_shim.so, which is built from ` +
    "Mesa's source (docs/performance.md says how)",
  optional: true,
  manifest: /intel_icd[^/]*\.json$/,
  shim: 'libintel_noop_drm_shim.so',
  folders: env[SHIM_FOLDER] === undefined ? [] : [env[SHIM_FOLDER]],
  variables: (chip) => ({ INTEL_STUB_GPU_PLATFORM: chip, INTEL_DEBUG: 'cs' }),
  ...readBy(INTEL),
};

export const CHIPS: readonly Chip[] = [
  { name: 'navi31', product: 'Radeon RX 7900 XTX (RDNA 3)', vendor: RADV },
  { name: 'gfx1150', product: 'Radeon 890M (RDNA 3.5)', vendor: RADV },
  { name: 'navi21', product: 'Radeon RX 6900 XT (RDNA 2)', vendor: RADV },
  { name: 'tgl', product: 'Iris Xe of Tiger Lake (Xe-LP)', vendor: ANV },
  { name: 'lnl', product: 'Arc 140V of Lunar Lake (Xe2)', vendor: ANV },
];

const MANIFEST_FOLDERS = ['/usr/share/vulkan/icd.d', '/etc/vulkan/icd.d'];

/** The variables of a process whose Vulkan has `chip` and nothing else; undefined where what the vendor needs is missing. */
export function chipEnvironment({ name, vendor }: Chip): Record<string, string> | undefined {
  const manifest = [...vendor.folders, ...MANIFEST_FOLDERS]
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((file) => join(folder, file)))
    .find((path) => vendor.manifest.test(path));
  const shim = [...vendor.folders, ...libraryFolders()]
    .map((folder) => join(folder, vendor.shim))
    .find((path) => existsSync(path));
  if (!manifest || !shim) return undefined;
  return {
    VK_ICD_FILENAMES: manifest,
    LD_PRELOAD: shim,
    ...vendor.variables(name),
    // What comes from a cache is not compiled, and nothing is printed of it.
    MESA_SHADER_CACHE_DISABLE: 'true',
  };
}

function libraryFolders(): string[] {
  const triplets = existsSync('/usr/lib')
    ? readdirSync('/usr/lib').filter((name) => name.includes('-linux-'))
    : [];
  return ['/usr/lib', '/usr/lib64', '/usr/local/lib', ...triplets.map((name) => join('/usr/lib', name))];
}
