import { hostname } from 'node:os'
import { choices, duration, text, texts } from '../setting.ts'
import { HOUR, REDIS_AND_DISK, SECOND } from './common.ts'

export const agent = {
  host: text({
    default: () => hostname(),
    defaultText: 'the host name',
    duties: REDIS_AND_DISK,
    description: 'The tag host of this machine.',
  }),
  intervalMs: duration(
    { min: 100, max: HOUR },
    {
      default: SECOND,
      duties: ['measure'],
      reloads: true,
      description: 'The interval between two measurements of the host.',
    },
  ),
  include: choices(['cpu', 'mem', 'swap', 'system', 'processes', 'net', 'diskio', 'disk'], {
    duties: ['measure'],
    reloads: true,
    description: 'The measurements that are taken.',
  }),
  netExclude: texts({
    // The host's ends of the interfaces of containers and virtual machines: Docker, Podman, LXD and most of Kubernetes
    // (veth), systemd-nspawn (ve-, vb-), Calico (cali), Cilium (lxc and twelve digits: lxcbr0 is a bridge), the
    // networks of AWS, Azure and Google (eni, azv, gke), libvirt (vnet), Proxmox (fw, tap100i0), OpenStack (tap and
    // eleven characters: tap0 is a VPN's), Xen (vif).
    default: [
      ...['veth*', 've-*', 'vb-*', 'cali*', 'lxc????????????', 'lxc_health', 'eni*', 'azv*', 'gke*'],
      ...['vnet*', 'fwbr*', 'fwln*', 'fwpr*', 'tap???i?', 'tap????i?', 'tap???????????', 'vif*'],
    ],
    defaultText: 'those of containers and virtual machines',
    duties: ['measure'],
    reloads: true,
    description:
      'Network interfaces that are not measured: a list of names, in which * stands for any characters and ? for one. It replaces the default.',
  }),
  procRoot: text({
    default: '/proc',
    duties: ['measure'],
    description: "Where the host's /proc is mounted, for an agent in a container.",
    alsoFrom: ['HOST_PROC'],
  }),
  sysRoot: text({
    default: '/sys',
    duties: ['measure'],
    description: "Where the host's /sys is mounted.",
    alsoFrom: ['HOST_SYS'],
  }),
  mountRoot: text({
    default: '/',
    duties: ['measure'],
    description: "Where the host's root file system is mounted.",
    alsoFrom: ['HOST_MOUNT_PREFIX'],
  }),
}
