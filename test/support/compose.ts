import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { sleep, until } from './servers.ts'

const run = promisify(execFile)
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024

/** The output of a `docker` command; rejects with its error text if it fails. */
export async function docker(...args: string[]): Promise<string> {
  const { stdout } = await run('docker', args, { maxBuffer: MAX_OUTPUT_BYTES })
  return stdout.trim()
}

/** The log of a container, both of its streams. */
export async function containerLog(id: string): Promise<string> {
  const { stdout, stderr } = await run('docker', ['logs', id], { maxBuffer: MAX_OUTPUT_BYTES })
  return stdout + stderr
}

/** A service as the engine sees it: `healthy`, `starting`, `unhealthy`; without a health check `running` or `exited`. */
export interface ServiceState {
  readonly id: string
  readonly health: string
}

export interface ComposeOptions {
  readonly project: string
  /** The folder of docker-compose.yml. */
  readonly folder: string
  /** Replaces the environment variables of the same names. */
  readonly env: Readonly<Record<string, string>>
  /** Services whose images are built. */
  readonly built: readonly string[]
}

/** A project of Docker Compose with a unique name, so that it does not clash with another on this machine. */
export class ComposeProject {
  readonly #options: ComposeOptions
  readonly #command: readonly string[]
  readonly #scratch = mkdtempSync(join(tmpdir(), 'sentinel-compose-'))

  /** @throws Error with the command that installs the missing program */
  constructor(options: ComposeOptions) {
    this.#options = options
    const { folder, project, built } = options
    const override = join(this.#scratch, 'override.yml')
    // A build in its own network may not reach the package registry of this machine.
    const services = Object.fromEntries(built.map((service) => [service, { build: { network: 'host' } }]))
    writeFileSync(override, JSON.stringify({ services }))
    this.#command = [...composeProgram(), '-f', join(folder, 'docker-compose.yml'), '-f', override, '-p', project]
  }

  async run(...args: string[]): Promise<string> {
    const [program, ...first] = this.#command
    const { stdout } = await run(program!, [...first, ...args], {
      cwd: this.#options.folder,
      env: { ...process.env, ...this.#options.env },
      maxBuffer: MAX_OUTPUT_BYTES,
    })
    return stdout.trim()
  }

  /** Every container of the project, including ended ones. */
  async services(): Promise<Map<string, ServiceState>> {
    const filter = `label=com.docker.compose.project=${this.#options.project}`
    const format = '{{.ID}}\t{{.Label "com.docker.compose.service"}}\t{{.State}}\t{{.Status}}'
    const lines = (await docker('ps', '--all', '--filter', filter, '--format', format)).split('\n').filter(Boolean)
    return new Map(
      lines.map((line) => {
        const [id = '', service = '', state = '', status = ''] = line.split('\t')
        const health = /\((?:health: )?(healthy|unhealthy|starting)\)/.exec(status)?.[1]
        return [service, { id, health: health ?? state }] as const
      }),
    )
  }

  async container(service: string): Promise<string> {
    const id = (await this.services()).get(service)?.id
    if (id === undefined) throw new Error(`${service} has no container`)
    return id
  }

  async untilHealthy(services: readonly string[], timeoutMs: number): Promise<void> {
    await until(
      `${services.join(', ')} are healthy`,
      async () => {
        await sleep(250)
        const states = await this.services()
        return services.every((service) => states.get(service)?.health === 'healthy')
      },
      timeoutMs,
    )
  }

  /** Removes everything: containers, networks, volumes and the built images. */
  async remove(): Promise<void> {
    await this.run('down', '--volumes', '--remove-orphans', '--rmi', 'local')
  }

  close(): void {
    rmSync(this.#scratch, { recursive: true, force: true })
  }
}

/** `docker compose` if Docker has it, else the older program `docker-compose`. */
function composeProgram(): string[] {
  const engine = spawnSync('docker', ['info'])
  if (engine.error !== undefined || engine.status !== 0) {
    throw new Error(
      'no Docker engine answers: apt-get install docker.io docker-compose, then start dockerd (https://docs.docker.com/engine/install)',
    )
  }
  if (spawnSync('docker', ['compose', 'version']).status === 0) return ['docker', 'compose']
  if (spawnSync('docker-compose', ['version']).status === 0) return ['docker-compose']
  throw new Error('Docker Compose is missing: apt-get install docker-compose')
}
