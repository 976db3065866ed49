/* SPDX-License-Identifier: BSD-2-Clause */
/* What the commands of vmctl share. */
#ifndef LIBVMCTL_COMMAND_H
#define LIBVMCTL_COMMAND_H

#include "libvmctl/vmctl.h"

enum exit_code {
    EXIT_OK = 0,
    EXIT_FAILED = 1,    /* it was right to ask, but it did not work */
    EXIT_USAGE = 2,     /* wrong arguments, or a configuration that is not supported */
    EXIT_NO_DOMAIN = 3, /* there is no such domain */
};

/* By letter, as getopt() takes them. */
struct options {
    bool help;        /* h */
    bool json;        /* j */
    bool paused;      /* p of create */
    bool pv;          /* p of console */
    bool output;      /* o of console */
    bool dry_run;     /* n of create */
    bool verbose;     /* v of create */
    bool follow;      /* f of dmesg */
    bool force;       /* f */
    bool wait;        /* w */
    bool button;      /* b */
    bool text;        /* t of key */
    bool eject;       /* e */
    unsigned timeout; /* t of shutdown: seconds, 0: none given */
    unsigned delay;   /* d of top: seconds; d of key: milliseconds; 0: none given */
    unsigned rounds;  /* n of top, 0: without end */
    int drive;        /* d of cd: its number, -1: none given */
    char **words;     /* what is no option */
    int count;
};

/* Opened before a command that needs it. */
extern struct vmctl *handle;

/* "vmctl: ..." to standard error; returns code. */
int say(enum exit_code code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The library's sentence, and the exit code that goes with its error. */
int failed(int rc);
/* vmctl_connect() for `handle`. */
int open_handle(void);

/* The domain a command is about, by its first word. An exit code. */
int find_domain(const struct options *o, struct vm_info *info);
/* Only a guest: not the privileged domain. */
int find_guest(const struct options *o, struct vm_info *info);
/* And where its screen and consoles are. */
int find_access(const struct options *o, struct vm_info *info, struct vm_access *a);

/* The commands; each returns an exit code. */
typedef int command_fn(const struct options *o);
command_fn do_create, do_list, do_info, do_vnc, do_stats, do_top, do_dmesg, do_pause, do_unpause,
    do_destroy, do_shutdown, do_reboot, do_console, do_screenshot, do_key, do_cd;

#endif
