// The chips that kernels can be compiled for, and what of this machine it takes: Mesa's driver for AMD, on a stub of the kernel's
// interface that accepts everything and does nothing.

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** A chip by the name that the stub has for it. */
export interface Chip {
  name: string;
  /** A product that has it. */
  product: string;
}

export const CHIPS: readonly Chip[] = [
  { name: 'navi31', product: 'Radeon RX 7900 XTX (RDNA 3)' },
  { name: 'gfx1150', product: 'Radeon 890M (RDNA 3.5)' },
  { name: 'navi21', product: 'Radeon RX 6900 XT (RDNA 2)' },
];

/** Debian's packages: the driver and the stub. */
export const PACKAGES = 'mesa-vulkan-drivers and mesa-drm-shim, of bookworm-backports or later';

const SHIM = 'libamdgpu_noop_drm_shim.so';
const MANIFEST_FOLDERS = ['/usr/share/vulkan/icd.d', '/etc/vulkan/icd.d'];

/** The variables of a process whose Vulkan has `chip` and nothing else; undefined where the packages are missing. */
export function chipEnvironment(chip: Chip): Record<string, string> | undefined {
  const manifest = MANIFEST_FOLDERS.filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .find((path) => /radeon_icd[^/]*\.json$/.test(path));
  const shim = libraryFolders()
    .map((folder) => join(folder, SHIM))
    .find((path) => existsSync(path));
  if (!manifest || !shim) return undefined;
  return {
    VK_ICD_FILENAMES: manifest,
    LD_PRELOAD: shim,
    AMDGPU_GPU_ID: chip.name,
    RADV_DEBUG: 'shaderstats',
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
