// Loads the WASM modules that the build puts beside the compiled code. They are a part of the program, like the imports
// above each file, and never data of a store: the one place outside of storage/files-node.ts and config.ts that
// touches node:fs. A module is a few KiB, so it is read and compiled at once, when its first user is made.
import { readFileSync } from 'node:fs'
import { fault } from '../base/errors.ts'
import { compileWasm, instantiateWasm, type WasmModule } from '../base/wasm.ts'

export type ReadModule = (file: string) => Uint8Array

export const readModuleFile: ReadModule = (file) => readFileSync(new URL(file, import.meta.url))

/** Those of this thread, by file: the second kernel of a thread compiles nothing. */
const compiled = new Map<string, WasmModule>()

const compile = (file: string, readModule: ReadModule): WasmModule => {
  const known = readModule === readModuleFile ? compiled.get(file) : undefined
  if (known) return known
  const module = compileWasm(readModule(file))
  if (readModule === readModuleFile) compiled.set(file, module)
  return module
}

/**
 * An instance's exports. Throws the fault CODEC_LOAD when the file cannot be read or compiled or lacks one of `names`:
 * the installation or the build is damaged.
 */
export const loadModule = (
  file: string,
  readModule: ReadModule,
  names: readonly string[],
  env: Record<string, unknown> = {},
): Record<string, unknown> => {
  try {
    const exports = instantiateWasm(compile(file, readModule), env)
    for (const name of names) {
      if (exports[name] === undefined) throw new TypeError(`the module does not export ${name}`)
    }
    return exports
  } catch (cause) {
    throw fault('CODEC_LOAD', `the module ${file} cannot be loaded`, { file }, cause)
  }
}
