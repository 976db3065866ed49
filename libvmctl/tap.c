/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void set_name(struct ifreq *r, const char *name)
{
    memset(r, 0, sizeof(*r));
    snprintf(r->ifr_name, sizeof(r->ifr_name), "%s", name);
}

static int join(int s, const char *name, const char *bridge)
{
    struct ifreq r;

    set_name(&r, bridge);
    r.ifr_ifindex = (int)if_nametoindex(name);
    return ioctl(s, SIOCBRADDIF, &r) ? -errno : 0;
}

static int bring_up(int s, const char *name)
{
    struct ifreq r;

    set_name(&r, name);
    if (ioctl(s, SIOCGIFFLAGS, &r))
        return -errno;
    r.ifr_flags |= IFF_UP;
    return ioctl(s, SIOCSIFFLAGS, &r) ? -errno : 0;
}

static int connect_tap(const char *name, const char *bridge)
{
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int rc = s < 0 ? -errno : 0;

    if (rc == 0 && bridge)
        rc = join(s, name, bridge);
    if (rc == 0)
        rc = bring_up(s, name);
    if (s >= 0)
        close(s);
    return rc;
}

int tap_open(const char *name, const char *bridge)
{
    int fd = open("/dev/net/tun", O_RDWR), rc = 0;
    struct ifreq r;

    if (fd < 0)
        return -errno;
    set_name(&r, name);
    r.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (ioctl(fd, TUNSETIFF, &r))
        rc = -errno;
    if (rc == 0)
        rc = connect_tap(name, bridge);
    if (rc == 0)
        return fd;
    close(fd);
    return rc;
}
