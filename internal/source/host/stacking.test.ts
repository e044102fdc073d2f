import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { InterfaceStacking, isStackedDisk, stackedInterfaces } from './stacking.ts'

const folders: string[] = []
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true })
})

/** A /sys of these files. A link of the kernel is a file here: only its name is read. */
function sysOf(...files: string[]): string {
  const sys = mkdtempSync(join(tmpdir(), 'stacking-'))
  folders.push(sys)
  for (const file of files) {
    const [path, ...text] = file.split('=') as [string, ...string[]]
    mkdirSync(dirname(join(sys, path)), { recursive: true })
    writeFileSync(join(sys, path), `${text.join('=')}\n`)
  }
  return sys
}

/** Each text is an interface and what its folder has: `br0 bridge lower_eth0`. */
function sysOfInterfaces(interfaces: readonly string[]): string {
  return sysOf(
    ...interfaces.flatMap((text) => {
      const [name, ...entries] = text.split(' ')
      return ['flags=0x1003', ...entries].map((entry) => `class/net/${name}/${entry}`)
    }),
  )
}

describe('stackedInterfaces', () => {
  const HOST = ['lo', 'eth0 device']
  it.each([
    ['a bridge over a card', ['eth0 device master brport', 'br0 bridge lower_eth0'], 'br0'],
    ['a bridge without ports', [...HOST, 'docker0 bridge'], 'docker0'],
    ['a bridge with a container', [...HOST, 'docker0 bridge lower_veth1', 'veth1 master brport'], 'docker0 veth1'],
    ['a container that is routed, without a bridge', [...HOST, 'cali1'], 'cali1'],
    [
      'a VLAN on a bond of two cards, in a bridge',
      [
        'eth0 device master',
        'eth1 device master',
        'bond0 bonding lower_eth0 lower_eth1',
        'bond0.5 lower_bond0 brport',
        'br0 bridge lower_bond0.5',
      ],
      'bond0 bond0.5 br0',
    ],
    ['a bond without cards', [...HOST, 'bond0 bonding'], 'bond0'],
    ['a team of two cards', ['eth0 device', 'eth1 device', 'team0 lower_eth0 lower_eth1'], 'team0'],
    ['macvlan and macvtap', [...HOST, 'mv0 lower_eth0', 'macvtap0 lower_eth0'], 'macvtap0 mv0'],
    [
      'tunnels',
      [...HOST, 'wg0 type=65534', 'tun0 tun_flags=0x1', 'gre1 type=778', 'vx0', 'ppp0'],
      'gre1 ppp0 tun0 vx0 wg0',
    ],
    ['the card of a cloud below its driver', ['eth0 device lower_enP1s1', 'enP1s1 device master'], 'eth0'],
    ['two cards', ['eth0 device', 'wlan0 device'], ''],
    ['a card that is not in use', ['eth0 device', 'eth1'], 'eth1'],
  ])('on a machine, %s', (_name, interfaces, stacked) => {
    expect([...stackedInterfaces(sysOfInterfaces(interfaces))].sort().join(' ')).toBe(stacked)
  })

  it.each([
    ['its own end of the cable', ['lo', 'eth0'], ''],
    ['two networks', ['lo', 'eth0', 'eth1'], ''],
    ['a macvlan whose card is elsewhere', ['lo', 'eth0 uevent=DEVTYPE=macvlan'], ''],
    ['a tunnel', ['lo', 'eth0', 'tun0 tun_flags=0x1', 'wg0 type=65534', 'vx0 uevent=DEVTYPE=vxlan'], 'tun0 vx0 wg0'],
    ['only a tunnel', ['lo', 'tun0 tun_flags=0x1'], ''],
    ['containers of its own', ['lo', 'eth0', 'docker0 bridge lower_veth1', 'veth1 brport'], 'docker0 veth1'],
    ['containers of its own that are routed', ['lo', 'eth0', 'cali1', 'veth9', 'dummy0'], 'cali1 dummy0 veth9'],
    ['a cable that is called as an end of a container', ['lo', 'veth0'], ''],
    ['a bridge over its cable', ['lo', 'eth0', 'br0 bridge lower_eth0'], 'br0'],
  ])('in a container, %s', (_name, interfaces, stacked) => {
    expect([...stackedInterfaces(sysOfInterfaces(interfaces))].sort().join(' ')).toBe(stacked)
  })

  it('is empty where /sys does not tell', () => {
    expect(stackedInterfaces('/nowhere').size).toBe(0)
  })
})

it('sees a new interface at once, and a new port within ten seconds', () => {
  const sys = sysOfInterfaces(['eth0 device', 'eth1'])
  const stacking = new InterfaceStacking(sys)
  const among = (names: string[], seconds: number) => [...stacking.among(names, seconds * 1e6)]
  expect(among(['eth0', 'eth1'], 0)).toEqual(['eth1'])
  mkdirSync(join(sys, 'class/net/br0/bridge'), { recursive: true })
  expect(among(['eth0', 'eth1', 'br0'], 1)).toEqual(expect.arrayContaining(['eth1', 'br0']))
  writeFileSync(join(sys, 'class/net/eth1/device'), '')
  expect(among(['eth0', 'eth1', 'br0'], 2)).toContain('eth1')
  expect(among(['eth0', 'eth1', 'br0'], 11)).toEqual(['br0'])
})

it.each([
  [
    'the host of a container',
    'eth0',
    'enp1s0 bond0 br0 br-1f docker0 veth1 enp1s0.5 wg0',
    'bond0 br-1f br0 docker0 enp1s0.5 veth1 wg0',
  ],
  ['the host of a container, with a card of the same name', 'eth0', 'lo eth0 br0 docker0', 'br0 docker0'],
  ['a container without /sys', '', 'lo eth0 eth1', ''],
  ['only what is made of others', '', 'lo docker0', ''],
])('interfaces that /sys does not have are known by their names: %s', (_name, ofSys, names, stacked) => {
  const stacking = new InterfaceStacking(sysOfInterfaces(ofSys === '' ? [] : [ofSys]))
  expect([...stacking.among(names.split(' '), 0)].sort().join(' ')).toBe(stacked)
})

describe('isStackedDisk', () => {
  const DEVICES = [
    ...['sda/sda1/partition', 'sdap/sdap1/partition', 'nvme0n1/nvme0n1p2/partition', 'xvda1/size'],
    ...['sdb/size', 'cciss!c0d0/cciss!c0d0p1/partition', 'loop0/loop0p1/partition', 'mmcblk0boot0/size'],
    ...['md127/slaves/nvme0n1p2', 'dm-0/slaves/md127', 'bcache0/slaves/sdb', 'sdb/bcache/state'],
    ...['mpatha/slaves/sdc', 'nbd0/size', 'rbd0/size', 'sr0/size'],
  ]

  it.each([
    ['sda', false],
    ['sda1', true],
    ['sdap', false],
    ['sdap1', true],
    ['nvme0n1', false],
    ['nvme0n1p2', true],
    ['cciss/c0d0', false],
    ['cciss/c0d0p1', true],
    ['xvda1', false],
    ['mmcblk0boot0', false],
    ['sdb', false],
    ['bcache0', true],
    ['md127', true],
    ['dm-0', true],
    ['mpatha', true],
    ['loop0p1', true],
    ['zram0', true],
    ['zd16', true],
    ['nbd0', false],
    ['rbd0', false],
    ['sr0', false],
    ['unheard-of', false],
  ])('%s: %s', (device, stacked) => {
    expect(isStackedDisk(sysOf(...DEVICES.map((path) => `block/${path}`)), device)).toBe(stacked)
  })

  it('knows a partition by /sys/class/block too', () => {
    expect(isStackedDisk(sysOf('class/block/sdz9/partition'), 'sdz9')).toBe(true)
  })
})
