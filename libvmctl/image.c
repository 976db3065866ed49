/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/image.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, struct file *f)
{
    for (size_t done = 0; done < f->size;) {
        ssize_t n = read(fd, (char *)f->data + done, f->size - done);

        if (n < 0)
            return -errno;
        if (n == 0)
            return -EIO; /* it shrank meanwhile */
        done += (size_t)n;
    }
    return 0;
}

int file_read(struct file *f, const char *path, size_t max)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), rc = 0;
    struct stat st;

    *f = (struct file){0};
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st))
        rc = -errno;
    else if (!S_ISREG(st.st_mode))
        rc = -EINVAL;
    else if (st.st_size == 0)
        rc = -ENODATA;
    else if ((uint64_t)st.st_size > max)
        rc = -EFBIG;
    if (rc == 0) {
        f->size = (size_t)st.st_size;
        f->data = malloc(f->size);
        rc = f->data ? read_all(fd, f) : -ENOMEM;
    }
    close(fd);
    if (rc) {
        free(f->data);
        *f = (struct file){0};
    }
    return rc;
}

static Elf *open_elf(const struct file *f)
{
    Elf *e;

    elf_version(EV_CURRENT);
    e = elf_memory(f->data, f->size);
    if (e && (elf_kind(e) != ELF_K_ELF || gelf_getclass(e) != ELFCLASS32)) {
        elf_end(e);
        return NULL;
    }
    return e;
}

/* The next PT_LOAD segment with something in it, from *n on. false: no more, or (with *bad) a
 * header that points out of the file. */
static bool next_segment(Elf *e, const struct file *f, size_t *n, GElf_Phdr *p, bool *bad)
{
    size_t count;

    if (elf_getphdrnum(e, &count))
        count = 0;
    while (*n < count) {
        if (!gelf_getphdr(e, (int)(*n)++, p)) {
            *bad = true;
            return false;
        }
        if (p->p_type != PT_LOAD || p->p_memsz == 0)
            continue;
        *bad = p->p_filesz > p->p_memsz || p->p_offset > f->size ||
               p->p_filesz > f->size - p->p_offset || p->p_paddr + p->p_memsz > UINT32_MAX;
        return !*bad;
    }
    return false;
}

int image_parse(struct image *i, const struct file *f)
{
    Elf *e = open_elf(f);
    bool bad = false;
    size_t n = 0;
    GElf_Ehdr h;
    GElf_Phdr p;

    if (!e)
        return -ENOEXEC;
    *i = (struct image){.start = UINT64_MAX};
    while (next_segment(e, f, &n, &p, &bad)) {
        if (p.p_paddr < i->start)
            i->start = p.p_paddr;
        if (p.p_paddr + p.p_memsz > i->end)
            i->end = p.p_paddr + p.p_memsz;
    }
    if (gelf_getehdr(e, &h) && h.e_machine == EM_386 && h.e_type == ET_EXEC)
        i->entry = h.e_entry;
    elf_end(e);
    return !bad && i->entry >= i->start && i->entry < i->end ? 0 : -ENOEXEC;
}

int image_load(const struct image *i, const struct file *f, void *to, size_t size)
{
    Elf *e = open_elf(f);
    bool bad = false;
    size_t n = 0;
    GElf_Phdr p;

    if (!e)
        return -ENOEXEC;
    memset(to, 0, size);
    while (next_segment(e, f, &n, &p, &bad)) {
        bad = p.p_paddr < i->start || p.p_paddr - i->start > size ||
              size - (p.p_paddr - i->start) < p.p_memsz;
        if (bad)
            break;
        memcpy((char *)to + (p.p_paddr - i->start), (const char *)f->data + p.p_offset, p.p_filesz);
    }
    elf_end(e);
    return bad ? -ENOEXEC : 0;
}
