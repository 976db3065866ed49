/* SPDX-License-Identifier: BSD-2-Clause */
#include "devmodel/confine.h"
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_FILES   512 /* QEMU: disks, cards, clients of its screen */
#define MAX_THREADS 128

static bool complain(const char *what)
{
    fprintf(stderr, "devmodel: %s: %s.\n", what, strerror(errno));
    return false;
}

/* ---- descriptors ---- */

static bool is_kept(const int *keep, int fd)
{
    for (; *keep >= 0; keep++)
        if (*keep == fd)
            return true;
    return fd <= 2;
}

void confine_descriptors(const int *keep)
{
    DIR *d = opendir("/proc/self/fd");
    struct dirent *e;

    if (!d)
        return;
    while ((e = readdir(d))) {
        int fd = atoi(e->d_name);

        if (fd != dirfd(d) && !is_kept(keep, fd))
            close(fd);
    }
    closedir(d);
}

/* ---- system calls ---- */

/* Nothing a device model does, and each a way to reach more of the kernel or other processes. */
static const uint16_t refused[] = {
    SYS_acct,
    SYS_add_key,
    SYS_adjtimex,
    SYS_bpf,
    SYS_clock_adjtime,
    SYS_clock_settime,
    SYS_delete_module,
    SYS_execveat,
    SYS_fanotify_init,
    SYS_finit_module,
    SYS_fork,
    SYS_fsconfig,
    SYS_fsmount,
    SYS_fsopen,
    SYS_init_module,
    SYS_io_uring_enter,
    SYS_io_uring_register,
    SYS_io_uring_setup,
    SYS_ioperm,
    SYS_iopl,
    SYS_kcmp,
    SYS_kexec_file_load,
    SYS_kexec_load,
    SYS_keyctl,
    SYS_mknod,
    SYS_mknodat,
    SYS_mount,
    SYS_mount_setattr,
    SYS_move_mount,
    SYS_name_to_handle_at,
    SYS_open_by_handle_at,
    SYS_open_tree,
    SYS_perf_event_open,
    SYS_pidfd_getfd,
    SYS_pivot_root,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_ptrace,
    SYS_quotactl,
    SYS_reboot,
    SYS_request_key,
    SYS_setdomainname,
    SYS_sethostname,
    SYS_setns,
    SYS_settimeofday,
    SYS_swapoff,
    SYS_swapon,
    SYS_syslog,
    SYS_umount2,
    SYS_unshare,
    SYS_userfaultfd,
    SYS_vfork,
};
#define REFUSED            (sizeof(refused) / sizeof(refused[0]))

#define X32_CALLS          0x40000000u

#define LOAD(field)        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF(op, k, yes, no) BPF_JUMP(BPF_JMP | (op) | BPF_K, k, yes, no)
#define RETURN(k)          BPF_STMT(BPF_RET | BPF_K, k)
#define REFUSE(e)          RETURN(SECCOMP_RET_ERRNO | (e))

/* A new process is made by clone() alone, and only if it is a thread; clone3() hides its arguments,
 * and the C library goes back to clone() where it is not implemented. */
static const struct sock_filter head[] = {
    LOAD(arch),
    IF(BPF_JEQ, AUDIT_ARCH_X86_64, 1, 0),
    RETURN(SECCOMP_RET_KILL_PROCESS),
    LOAD(nr),
    IF(BPF_JGE, X32_CALLS, 0, 1),
    RETURN(SECCOMP_RET_KILL_PROCESS),
    IF(BPF_JEQ, SYS_clone3, 0, 1),
    REFUSE(ENOSYS),
    IF(BPF_JEQ, SYS_clone, 0, 4),
    LOAD(args[0]),
    IF(BPF_JSET, CLONE_THREAD, 0, 1),
    RETURN(SECCOMP_RET_ALLOW),
    REFUSE(EPERM),
};
#define HEAD (sizeof(head) / sizeof(head[0]))

static bool filter_calls(void)
{
    struct sock_filter f[HEAD + 2 * REFUSED + 1];
    struct sock_fprog program = {.len = sizeof(f) / sizeof(f[0]), .filter = f};

    memcpy(f, head, sizeof(head));
    for (unsigned i = 0; i < REFUSED; i++) {
        f[HEAD + 2 * i] = (struct sock_filter)IF(BPF_JEQ, refused[i], 0, 1);
        f[HEAD + 2 * i + 1] = (struct sock_filter)REFUSE(EPERM);
    }
    f[HEAD + 2 * REFUSED] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
    return !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) ||
           complain("System calls cannot be limited");
}

/* ---- privileges ---- */

static bool is_needed(int capability)
{
    return capability == CAP_DAC_OVERRIDE || capability == CAP_SETUID || capability == CAP_SETGID ||
           capability == CAP_SYS_CHROOT;
}

/* What a program that is started later can have at most. */
static bool limit_capabilities(void)
{
    for (int i = 0; prctl(PR_CAPBSET_READ, i) >= 0; i++)
        if (!is_needed(i) && prctl(PR_CAPBSET_DROP, i))
            return complain("Capabilities cannot be given up");
    return true;
}

static bool limit(int resource, rlim_t most)
{
    struct rlimit l = {most, most};

    return !setrlimit(resource, &l) || complain("Resources cannot be limited");
}

static bool limit_resources(void)
{
    return limit(RLIMIT_CORE, 0) && limit(RLIMIT_NOFILE, MAX_FILES) &&
           limit(RLIMIT_NPROC, MAX_THREADS) && limit(RLIMIT_MSGQUEUE, 0);
}

static bool own_spaces(void)
{
    return (!unshare(CLONE_NEWNS | CLONE_NEWIPC) &&
            !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) ||
           complain("Own name spaces cannot be had");
}

static bool make_root(void)
{
    mkdir(CONFINE_PARENT, 0750);
    return !mkdir(CONFINE_ROOT, 0) || errno == EEXIST || complain(CONFINE_ROOT);
}

bool confine_program(void)
{
    return make_root() && own_spaces() && limit_capabilities() && limit_resources() &&
           (!prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || complain("Privileges can be regained")) &&
           filter_calls();
}

static bool become(uid_t uid)
{
    return (!setgroups(0, NULL) && !setresgid(uid, uid, uid) && !setresuid(uid, uid, uid)) ||
           complain("The user cannot be changed");
}

/* With another user all capabilities go. */
bool confine_drop(uid_t uid)
{
    return confine_program() && (!chroot(CONFINE_ROOT) || complain(CONFINE_ROOT)) &&
           (!chdir("/") || complain("/")) && become(uid);
}
