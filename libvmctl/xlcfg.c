/* SPDX-License-Identifier: BSD-2-Clause */
#include "libvmctl/xlcfg.h"
#include "libvmctl/keys.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <libxlutil.h>

struct reader {
    XLU_Config *xlu;
    struct vm_config *c;
    const char *key;    /* that is being read */
    char problem[384];  /* the end of the sentence */
    char reported[256]; /* by libxlutil */
    FILE *report;
    bool vga_by_stdvga, video_given;
    unsigned maxmem_mib, memory_mib, maxvcpus;
    char *root, *extra; /* two halves of the command line, in whatever order they come */
    bool display_in_listen, display_given;
};

__attribute__((format(printf, 2, 3))) static int refuse(struct reader *r, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(r->problem, sizeof(r->problem), format, ap);
    va_end(ap);
    return -EINVAL;
}

/* ---- values ---- */

static int get_number(struct reader *r, long min, long max, long *value)
{
    const char *text;
    char *end;

    if (xlu_cfg_get_string(r->xlu, r->key, &text, 1))
        return refuse(r, "%s has to be a number", r->key);
    errno = 0;
    *value = strtol(text, &end, 0);
    if (!*text || *end || errno)
        return refuse(r, "%s has to be a number, not \"%s\"", r->key, text);
    if (*value < min || *value > max)
        return refuse(r, "%s is %ld, and has to be from %ld to %ld", r->key, *value, min, max);
    return 0;
}

static int get_unsigned(struct reader *r, long min, long max, unsigned *value)
{
    long n;
    int rc = get_number(r, min, max, &n);

    if (rc == 0)
        *value = (unsigned)n;
    return rc;
}

static int get_bool(struct reader *r, bool *value)
{
    long n;
    int rc = get_number(r, 0, 1, &n);

    if (rc == 0)
        *value = n != 0;
    return rc;
}

static int copy_text(struct reader *r, const char *text, char **to)
{
    free(*to);
    *to = strdup(text);
    return *to ? 0 : refuse(r, "there is no memory");
}

static int get_text(struct reader *r, char **to)
{
    const char *text;

    if (xlu_cfg_get_string(r->xlu, r->key, &text, 1))
        return refuse(r, "%s has to be a string", r->key);
    return copy_text(r, text, to);
}

/* One of a list of words; its number. */
static int get_word(struct reader *r, const char *const *words, unsigned *which)
{
    const char *text;

    if (xlu_cfg_get_string(r->xlu, r->key, &text, 1))
        return refuse(r, "%s has to be a string", r->key);
    for (*which = 0; words[*which]; ++*which)
        if (strcmp(text, words[*which]) == 0)
            return 0;
    return refuse(r, "%s=\"%s\" is not supported", r->key, text);
}

typedef int item_fn(struct reader *r, const char *text, unsigned number);

/* fn for each string of a list; a single string counts as a list of one where that is usual. */
static int for_each(struct reader *r, bool single, item_fn *fn)
{
    XLU_ConfigList *list;
    const char *text;
    int count, rc = 0;

    if (single && xlu_cfg_get_string(r->xlu, r->key, &text, 1) == 0)
        return fn(r, text, 0);
    if (xlu_cfg_get_list(r->xlu, r->key, &list, &count, 1))
        return refuse(r, "%s has to be a list, such as %s = [ '...' ]", r->key, r->key);
    for (int i = 0; i < count && rc == 0; i++) {
        text = xlu_cfg_get_listitem(list, i);
        rc = text ? fn(r, text, (unsigned)i)
                  : refuse(r, "%s has something in its list that is no string", r->key);
    }
    return rc;
}

/* ---- name and machine ---- */

static int read_name(struct reader *r)
{
    return get_text(r, &r->c->name);
}

static int read_type(struct reader *r)
{
    const char *text;

    if (xlu_cfg_get_string(r->xlu, r->key, &text, 1))
        return refuse(r, "%s has to be \"hvm\"", r->key);
    return strcmp(text, "hvm")
               ? refuse(r, "%s=\"%s\" is not supported: Helium's guests are all of type \"hvm\"",
                        r->key, text)
               : 0;
}

static int hex_digit(char c)
{
    if (isdigit((unsigned char)c))
        return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* count bytes in hexadecimal, with a separator where one stands between two bytes. */
static bool read_hex(const char *text, char separator, uint8_t *to, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i && *text == separator)
            text++;
        if (hex_digit(text[0]) < 0 || hex_digit(text[1]) < 0)
            return false;
        to[i] = (uint8_t)(hex_digit(text[0]) << 4 | hex_digit(text[1]));
        text += 2;
    }
    return *text == 0;
}

static int read_uuid(struct reader *r)
{
    const char *text;

    if (xlu_cfg_get_string(r->xlu, r->key, &text, 1) ||
        !read_hex(text, '-', r->c->uuid, sizeof(r->c->uuid)))
        return refuse(r, "uuid has to be 32 hexadecimal digits in the usual groups");
    return 0;
}

static int read_memory(struct reader *r)
{
    int rc = get_unsigned(r, 1, INT_MAX, &r->memory_mib);

    r->c->memory_kib = (uint64_t)r->memory_mib << 10;
    return rc;
}

static int read_maxmem(struct reader *r)
{
    return get_unsigned(r, 1, INT_MAX, &r->maxmem_mib);
}

static int read_vcpus(struct reader *r)
{
    return get_unsigned(r, 1, VM_MAX_VCPUS, &r->c->vcpus);
}

static int read_maxvcpus(struct reader *r)
{
    return get_unsigned(r, 1, VM_MAX_VCPUS, &r->maxvcpus);
}

/* Old configurations name hvmloader there. */
static int read_kernel(struct reader *r)
{
    const char *text, *name;

    if (xlu_cfg_get_string(r->xlu, r->key, &text, 1))
        return refuse(r, "%s has to be a string", r->key);
    name = strrchr(text, '/');
    if (strcmp(name ? name + 1 : text, "hvmloader") == 0)
        return refuse(r,
                      "kernel is hvmloader, which is used without being asked for: leave it away");
    return copy_text(r, text, &r->c->kernel);
}

static int read_ramdisk(struct reader *r)
{
    return get_text(r, &r->c->initrd);
}

static int read_extra(struct reader *r)
{
    return get_text(r, &r->extra);
}

static int read_root(struct reader *r)
{
    return get_text(r, &r->root);
}

static int read_cmdline(struct reader *r)
{
    return get_text(r, &r->c->cmdline);
}

static int read_bios(struct reader *r)
{
    static const char *const words[] = {"seabios", "ovmf", NULL};
    unsigned n;
    int rc = get_word(r, words, &n);

    r->c->bios = n ? VM_OVMF : VM_SEABIOS;
    return rc;
}

/* The newer way to say the same; a path takes its place. */
static int read_firmware(struct reader *r)
{
    static const struct {
        const char *name;
        enum vm_bios bios;
    } words[] = {
        {"bios", VM_SEABIOS}, {"seabios", VM_SEABIOS}, {"uefi", VM_OVMF}, {"ovmf", VM_OVMF}};
    const char *text;

    if (xlu_cfg_get_string(r->xlu, r->key, &text, 1))
        return refuse(r, "%s has to be a string", r->key);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i].name))
            continue;
        r->c->bios = words[i].bios;
        return 0;
    }
    if (*text != '/')
        return refuse(r, "%s=\"%s\" is not supported", r->key, text);
    return copy_text(r, text, &r->c->bios_path);
}

static int read_bios_path(struct reader *r)
{
    return get_text(r, &r->c->bios_path);
}

static int read_loader(struct reader *r)
{
    return get_text(r, &r->c->loader_path);
}

static int read_model_path(struct reader *r)
{
    return get_text(r, &r->c->model_path);
}

/* Letters of devices, which QEMU hands to the firmware: c hard disk, d CD, n network. */
static int read_boot(struct reader *r)
{
    int rc = get_text(r, &r->c->boot);

    if (rc)
        return rc;
    if (!*r->c->boot || r->c->boot[strspn(r->c->boot, "cdn")])
        return refuse(r, "boot=\"%s\" has other letters than c (hard disk), d (CD) and n (network)",
                      r->c->boot);
    for (const char *p = r->c->boot; *p; p++)
        if (strchr(p + 1, *p))
            return refuse(r, "boot=\"%s\" names %c twice", r->c->boot, *p);
    return 0;
}

static int read_cpu_weight(struct reader *r)
{
    return get_unsigned(r, 1, VM_MAX_WEIGHT, &r->c->cpu_weight);
}

/* By name, or by number as it was. */
static int read_tsc_mode(struct reader *r)
{
    static const char *const words[] = {"default", "0", "native", "2", NULL};
    unsigned n;
    int rc = get_word(r, words, &n);

    return rc ? refuse(r, "tsc_mode can only be \"default\" or \"native\": guests always see the "
                          "CPU's time stamp counter")
              : 0;
}

static int read_local_time(struct reader *r)
{
    return get_bool(r, &r->c->local_time);
}

static int read_time_offset(struct reader *r)
{
    long n = 0;
    int rc = get_number(r, INT_MIN, INT_MAX, &n);

    r->c->time_offset = (int)n;
    return rc;
}

static int read_acpi(struct reader *r)
{
    return get_bool(r, &r->c->acpi);
}

static int read_acpi_s3(struct reader *r)
{
    return get_bool(r, &r->c->acpi_s3);
}

static int read_acpi_s4(struct reader *r)
{
    return get_bool(r, &r->c->acpi_s4);
}

static int read_hpet(struct reader *r)
{
    return get_bool(r, &r->c->hpet);
}

/* ---- disks ---- */

/* hda to hdd, or xvda to xvdd, which are the same places; anything else has no emulated controller.
 */
static int disk_unit(const char *vdev, unsigned *unit)
{
    const char *letter = strncmp(vdev, "hd", 2) == 0    ? vdev + 2
                         : strncmp(vdev, "xvd", 3) == 0 ? vdev + 3
                                                        : NULL;

    if (!letter || letter[0] < 'a' || letter[0] > 'd' || letter[1])
        return -1;
    *unit = (unsigned)(letter[0] - 'a');
    return 0;
}

static int disk_format(libxl_disk_format f, enum vm_format *to)
{
    switch (f) {
    case LIBXL_DISK_FORMAT_UNKNOWN: /* nothing said */
    case LIBXL_DISK_FORMAT_RAW:
        *to = VM_RAW;
        return 0;
    case LIBXL_DISK_FORMAT_QCOW2:
        *to = VM_QCOW2;
        return 0;
    case LIBXL_DISK_FORMAT_VHD:
        *to = VM_VHD;
        return 0;
    case LIBXL_DISK_FORMAT_QED:
        *to = VM_QED;
        return 0;
    case LIBXL_DISK_FORMAT_EMPTY:
        *to = VM_NO_MEDIUM;
        return 0;
    default:
        return -1;
    }
}

/* direct_io_safe is no wish: it permits O_DIRECT, which is not used for emulated disks, by libxl
 * neither. */
static const char *unsupported_disk(const libxl_device_disk *d)
{
    if (d->script)
        return "a script";
    if (d->backend_domname)
        return "a backend in another domain";
    if (d->backend == LIBXL_DISK_BACKEND_TAP)
        return "the backend \"tap\"";
    if (d->specification == LIBXL_DISK_SPECIFICATION_VIRTIO)
        return "the specification \"virtio\"";
    if (libxl_defbool_val(d->colo_enable))
        return "COLO";
    if (libxl_defbool_val(d->discard_enable))
        return "the option \"discard\"";
    return NULL;
}

static int take_disk(struct reader *r, const libxl_device_disk *d, const char *spec)
{
    struct vm_disk *to = &r->c->disk[r->c->disks];
    const char *why = unsupported_disk(d);

    if (why)
        return refuse(r, "the disk \"%s\" asks for %s, which is not supported", spec, why);
    if (!d->vdev || disk_unit(d->vdev, &to->unit))
        return refuse(r, "the disk \"%s\" is to be %s, but only hda to hdd can be emulated", spec,
                      d->vdev ? d->vdev : "nothing");
    if (disk_format(d->format, &to->format))
        return refuse(r, "the disk \"%s\" has a format that is not supported", spec);
    to->cdrom = d->is_cdrom;
    to->readonly = !d->readwrite;
    to->path = NULL;
    r->c->disks++;
    if (to->format == VM_NO_MEDIUM || !d->pdev_path || !*d->pdev_path)
        return 0;
    return copy_text(r, d->pdev_path, &to->path);
}

static int read_one_disk(struct reader *r, const char *spec, unsigned number)
{
    libxl_device_disk d;
    int rc;

    (void)number;
    if (r->c->disks == VM_MAX_DISKS)
        return refuse(r, "there are more than %d disks", VM_MAX_DISKS);
    libxl_device_disk_init(&d);
    libxl_defbool_setdefault(&d.colo_enable, false);
    libxl_defbool_setdefault(&d.discard_enable, false);
    rc = xlu_disk_parse(r->xlu, 1, &spec, &d);
    rc = rc ? refuse(r, "the disk \"%s\" is not understood", spec) : take_disk(r, &d, spec);
    libxl_device_disk_dispose(&d);
    return rc;
}

static int read_disks(struct reader *r)
{
    return for_each(r, false, read_one_disk);
}

/* ---- network ---- */

static int take_model(struct reader *r, struct vm_nic *n, const char *value)
{
    static const char *const names[][2] = {{"rtl8139", "rtl8139"},
                                           {"ne2000", "ne2k_pci"},
                                           {"ne2k_pci", "ne2k_pci"},
                                           {"e1000", "e1000"},
                                           {"e1000e", "e1000e"},
                                           {"pcnet", "pcnet"},
                                           {"i82551", "i82551"},
                                           {"i82557b", "i82557b"},
                                           {"i82559er", "i82559er"},
                                           {"virtio-net", "virtio-net-pci"},
                                           {"virtio-net-pci", "virtio-net-pci"},
                                           {"vmxnet3", "vmxnet3"}};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(value, names[i][0]) == 0)
            return copy_text(r, names[i][1], &n->model);
    return refuse(r, "the network card model \"%s\" is not known", value);
}

static int take_vif_setting(struct reader *r, struct vm_nic *n, const char *name, const char *value)
{
    if (strcmp(name, "mac") == 0)
        return read_hex(value, ':', n->mac, sizeof(n->mac)) && !(n->mac[0] & 1)
                   ? 0
                   : refuse(r, "mac=%s is no address of a network card", value);
    if (strcmp(name, "bridge") == 0)
        return copy_text(r, value, &n->bridge);
    if (strcmp(name, "vifname") == 0)
        return strlen(value) < 16 ? copy_text(r, value, &n->ifname)
                                  : refuse(r, "vifname=%s is longer than 15 characters", value);
    if (strcmp(name, "model") == 0)
        return take_model(r, n, value);
    if (strcmp(name, "type") == 0 && strcmp(value, "ioemu") == 0)
        return 0;
    return refuse(r, "%s=%s of a network card is not supported", name, value);
}

static char *trimmed(char *s)
{
    char *end;

    s += strspn(s, " \t\n");
    for (end = s + strlen(s); end > s && strchr(" \t\n", end[-1]); end--)
        ;
    *end = 0;
    return s;
}

static int read_one_vif(struct reader *r, const char *spec, unsigned number)
{
    char *copy = strdup(spec), *rest = copy, *part, *value;
    struct vm_nic *n = &r->c->nic[r->c->nics];
    int rc = 0;

    (void)number;
    if (!copy)
        return refuse(r, "there is no memory");
    if (r->c->nics == VM_MAX_NICS)
        rc = refuse(r, "there are more than %d network cards", VM_MAX_NICS);
    else
        r->c->nics++;
    while (rc == 0 && (part = strsep(&rest, ","))) {
        part = trimmed(part);
        value = strchr(part, '=');
        if (!*part)
            continue;
        if (value)
            *value++ = 0;
        rc = value ? take_vif_setting(r, n, trimmed(part), trimmed(value))
                   : refuse(r, "the network card's \"%s\" has no value", part);
    }
    free(copy);
    return rc;
}

static int read_vifs(struct reader *r)
{
    return for_each(r, false, read_one_vif);
}

/* ---- screen, serial, USB ---- */

/* Words as they are, and what begins with a place's kind. */
static bool is_serial(const char *text)
{
    static const char *const words[] = {"pty", "null", "none"};
    static const char *const kinds[] = {"file:", "tcp:", "telnet:", "unix:", "udp:", "/dev/"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strncmp(text, kinds[i], strlen(kinds[i])) == 0)
            return true;
    return false;
}

/* "none" takes a port's place as the others do: it is QEMU that leaves the port out. */
static int read_one_serial(struct reader *r, const char *text, unsigned number)
{
    (void)number;
    if (!is_serial(text))
        return refuse(
            r,
            "serial=\"%s\" is not supported: pty, null, none, file:, tcp:, udp:, telnet:, "
            "unix: and /dev/ are",
            text);
    if (r->c->serials == VM_MAX_SERIALS)
        return refuse(r, "there are more than %d serial ports", VM_MAX_SERIALS);
    return copy_text(r, text, &r->c->serial[r->c->serials++]);
}

static int read_serial(struct reader *r)
{
    return for_each(r, true, read_one_serial);
}

static int read_vga(struct reader *r)
{
    static const char *const words[] = {"stdvga", "cirrus", "none", NULL};
    unsigned n;
    int rc = get_word(r, words, &n);

    r->c->vga = (enum vm_vga)n;
    return rc;
}

static int read_stdvga(struct reader *r)
{
    bool on = false;
    int rc = get_bool(r, &on);

    r->c->vga = on ? VM_VGA_STD : VM_VGA_CIRRUS;
    return rc;
}

static int read_videoram(struct reader *r)
{
    unsigned mib = 0;
    int rc = get_unsigned(r, 1, 256, &mib);

    if (rc == 0 && mib & (mib - 1))
        return refuse(r, "videoram is %u, and has to be a power of two", mib);
    r->c->video_kib = (uint64_t)mib << 10;
    r->video_given = true;
    return rc;
}

static int read_vnc(struct reader *r)
{
    return get_bool(r, &r->c->vnc);
}

#define VNC_MAX_DISPLAY 59635 /* its port is 5900 more */

static bool is_ipv6(const char *text)
{
    struct in6_addr a;

    return inet_pton(AF_INET6, text, &a) == 1;
}

static bool is_host(const char *text)
{
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr(".-", *p))
            return false;
    return *text != 0;
}

/* Cuts the display off an address: what is behind its only colon, or behind its bracket. An address
 * of IPv6 has more colons than that. NULL: there is none. */
static char *cut_display(char *text)
{
    char *colon = strchr(text, ':');

    if (*text == '[')
        colon = strstr(text, "]:") ? strstr(text, "]:") + 1 : NULL;
    else if (colon && strchr(colon + 1, ':'))
        colon = NULL;
    if (!colon)
        return NULL;
    *colon = 0;
    return colon + 1;
}

/* As QEMU takes it: IPv6 in brackets. */
static int take_address(struct reader *r, const char *text)
{
    char inner[INET6_ADDRSTRLEN], bracketed[INET6_ADDRSTRLEN + 2];
    size_t length = strlen(text);
    bool in_brackets = length > 2 && text[0] == '[' && text[length - 1] == ']';

    if (is_host(text))
        return copy_text(r, text, &r->c->vnc_listen);
    snprintf(inner, sizeof(inner), "%.*s", (int)(in_brackets ? length - 2 : length),
             text + in_brackets);
    if (!is_ipv6(inner))
        return refuse(r, "vnclisten's address \"%s\" is neither a name nor an IP address", text);
    snprintf(bracketed, sizeof(bracketed), "[%s]", inner);
    return copy_text(r, bracketed, &r->c->vnc_listen);
}

static int take_display(struct reader *r, const char *text)
{
    size_t digits = strspn(text, "0123456789");
    unsigned long n = strtoul(text, NULL, 10);

    if (!digits || text[digits])
        return refuse(r, "vnclisten's display has to be a number, not \"%s\"", text);
    if (n > VNC_MAX_DISPLAY)
        return refuse(r, "vnclisten's display is %s, and has to be from 0 to %d", text,
                      VNC_MAX_DISPLAY);
    r->c->vnc_display = (unsigned)n;
    r->display_in_listen = true;
    return 0;
}

static int read_vnc_listen(struct reader *r)
{
    char *text = NULL, *display;
    int rc = get_text(r, &text);

    if (rc == 0) {
        display = cut_display(text);
        rc = take_address(r, text);
        if (rc == 0 && display)
            rc = take_display(r, display);
    }
    free(text);
    return rc;
}

static int read_vnc_display(struct reader *r)
{
    r->display_given = true;
    return get_unsigned(r, 0, VNC_MAX_DISPLAY, &r->c->vnc_display);
}

static int read_vnc_unused(struct reader *r)
{
    return get_bool(r, &r->c->vnc_find_unused);
}

/* VNC's own authentication knows no more than that many characters. */
static int read_vnc_password(struct reader *r)
{
    int rc = get_text(r, &r->c->vnc_password);

    if (rc == 0 && strlen(r->c->vnc_password) > 8)
        return refuse(r, "vncpasswd is longer than 8 characters");
    return rc;
}

static int read_keymap(struct reader *r)
{
    return get_text(r, &r->c->keymap);
}

static int read_usb_version(struct reader *r)
{
    unsigned n;
    int rc = get_unsigned(r, 1, 3, &n);

    if (rc == 0 && n != 1)
        return refuse(r, "usbversion can only be 1: the USB controller is PIIX3 UHCI");
    r->c->usb = true;
    return rc;
}

static int read_usb(struct reader *r)
{
    return get_bool(r, &r->c->usb);
}

static int read_one_usb_device(struct reader *r, const char *text, unsigned number)
{
    if (number > 0)
        return refuse(r, "more than one usbdevice is not supported");
    if (strcmp(text, "tablet") && strcmp(text, "mouse") && strcmp(text, "keyboard"))
        return refuse(r, "usbdevice=\"%s\" is not supported: tablet, mouse and keyboard are", text);
    return copy_text(r, text, &r->c->usb_device);
}

static int read_usb_device(struct reader *r)
{
    return for_each(r, true, read_one_usb_device);
}

static int read_one_model_arg(struct reader *r, const char *text, unsigned number)
{
    (void)number;
    if (r->c->model_arg_count == VM_MAX_ARGS)
        return refuse(r, "there are more than %d arguments for the device model", VM_MAX_ARGS);
    return copy_text(r, text, &r->c->model_args[r->c->model_arg_count++]);
}

static int read_model_args(struct reader *r)
{
    return for_each(r, false, read_one_model_arg);
}

static int read_model_version(struct reader *r)
{
    static const char *const words[] = {"qemu-xen", NULL};
    unsigned n;

    return get_word(r, words, &n);
}

static int read_hd_type(struct reader *r)
{
    static const char *const words[] = {"ide", NULL};
    unsigned n;

    return get_word(r, words, &n) ? refuse(r, "hdtype can only be \"ide\": disks are on PIIX3 IDE")
                                  : 0;
}

/* ---- what follows a shutdown ---- */

static int get_action(struct reader *r, enum vm_action *to)
{
    static const char *const words[] = {"destroy", "restart", "preserve", NULL};
    unsigned n = 0;
    int rc = get_word(r, words, &n);

    if (rc == 0)
        *to = (enum vm_action)n;
    return rc;
}

static int read_on_poweroff(struct reader *r)
{
    return get_action(r, &r->c->on_poweroff);
}

static int read_on_reboot(struct reader *r)
{
    return get_action(r, &r->c->on_reboot);
}

static int read_on_crash(struct reader *r)
{
    return get_action(r, &r->c->on_crash);
}

/* ---- the table ---- */

/* Reasons that several keys share. */
#define NO_DEVICES  "devices of the machine are not handed to guests"
#define USE_VNC     "use VNC"
#define PARAVIRTUAL "it is for paravirtual guests"
#define STUB_DOMAIN "QEMU runs in the privileged domain"
#define CONFINED    "QEMU always runs as a user of its own, without privileges"
#define OTHER_CPU   "it is for ARM"

/* Keys that may be there with the one value that changes nothing here. */
static int must_be(struct reader *r, long wanted, const char *why)
{
    long n;

    if (get_number(r, LONG_MIN, LONG_MAX, &n) == 0 && n == wanted)
        return 0;
    return refuse(r, "%s can only be %ld: %s", r->key, wanted, why);
}

static const struct key {
    const char *name;
    int (*read)(struct reader *r);
    const char *why; /* without read: what is not supported, and what takes its place */
    int only;        /* without read, and not NEVER: the value that is accepted */
} table[] = {
#define NEVER XLCFG_REFUSED
#define WITH(key, fn)    \
    {                    \
        key, fn, NULL, 0 \
    }
#define ONLY(key, value, why) \
    {                         \
        key, NULL, why, value \
    }
#define WITHOUT(key, why)     \
    {                         \
        key, NULL, why, NEVER \
    }
    WITH("name", read_name),
    WITH("type", read_type),
    WITH("builder", read_type),
    WITH("uuid", read_uuid),
    WITH("memory", read_memory),
    WITH("maxmem", read_maxmem),
    WITH("vcpus", read_vcpus),
    WITH("maxvcpus", read_maxvcpus),
    WITH("kernel", read_kernel),
    WITH("ramdisk", read_ramdisk),
    WITH("cmdline", read_cmdline),
    WITH("root", read_root),
    WITH("extra", read_extra),
    WITH("bios", read_bios),
    WITH("firmware", read_firmware),
    WITH("cpu_weight", read_cpu_weight),
    WITH("tsc_mode", read_tsc_mode),
    WITH("localtime", read_local_time),
    WITH("rtc_timeoffset", read_time_offset),
    WITH("hdtype", read_hd_type),
    WITH("bios_path_override", read_bios_path),
    WITH("firmware_override", read_loader),
    WITH("device_model_override", read_model_path),
    WITH("device_model_version", read_model_version),
    WITH("device_model_args", read_model_args),
    WITH("device_model_args_hvm", read_model_args),
    WITH("boot", read_boot),
    WITH("acpi", read_acpi),
    WITH("acpi_s3", read_acpi_s3),
    WITH("acpi_s4", read_acpi_s4),
    WITH("hpet", read_hpet),
    WITH("disk", read_disks),
    WITH("vif", read_vifs),
    WITH("serial", read_serial),
    WITH("vga", read_vga),
    WITH("stdvga", read_stdvga),
    WITH("videoram", read_videoram),
    WITH("vnc", read_vnc),
    WITH("vnclisten", read_vnc_listen),
    WITH("vncdisplay", read_vnc_display),
    WITH("vncunused", read_vnc_unused),
    WITH("vncpasswd", read_vnc_password),
    WITH("keymap", read_keymap),
    WITH("usb", read_usb),
    WITH("usbversion", read_usb_version),
    WITH("usbdevice", read_usb_device),
    WITH("on_poweroff", read_on_poweroff),
    WITH("on_reboot", read_on_reboot),
    WITH("on_crash", read_on_crash),
    ONLY("hap", 1, "guests run with nested paging only"),
    ONLY("pae", 1, "guests always see PAE"),
    ONLY("nx", 1, "guests always see NX"),
    ONLY("apic", 1, "guests always have APICs"),
    ONLY("xen_platform_pci", 0, "paravirtual disks and network cards are not served yet"),
    ONLY("nestedhvm", 0, "guests cannot run hypervisors"),
    ONLY("viridian", 0, "Hyper-V's interfaces are not offered yet"),
    ONLY("nographic", 0, "use vnc=0 and serial"),
    ONLY("sdl", 0, USE_VNC),
    ONLY("opengl", 0, USE_VNC),
    ONLY("spice", 0, USE_VNC),
    ONLY("vncconsole", 0, "vmctl starts no viewer"),
    ONLY("gfx_passthru", 0, NO_DEVICES),
    ONLY("altp2m", 0, "it is not offered"),
    ONLY("altp2mhvm", 0, "it is not offered"),
    ONLY("vpt_align", 1, "virtual timers cannot be configured"),
    ONLY("acpi_laptop_slate", 0, "the switch is not modelled"),
    ONLY("autoballoon", 0, "guests' memory does not change"),
    ONLY("nomigrate", 1, "guests cannot be migrated yet"),
    ONLY("driver_domain", 0, "guests drive no devices for others"),
    ONLY("e820_host", 0, "a guest has a memory map of its own"),
    ONLY("oos", 1, "guests run with nested paging only"),
    ONLY("pvshim", 0, "Helium's guests are all of type \"hvm\""),
    ONLY("vpmu", 0, "guests see no performance counters"),
    ONLY("vmtrace_buf_kb", 0, "guests are not traced"),
    ONLY("vkb_device", 0, "use usbdevice"),
    ONLY("xend_suspend_evtchn_compat", 0, "guests cannot be suspended yet"),
    ONLY("device_model_stubdomain_override", 0, "QEMU runs in the privileged domain"),
    ONLY("max_event_channels", 1023, "that is what every guest gets"),
    ONLY("max_grant_frames", 64, "that is what every guest gets"),
    ONLY("max_maptrack_frames", 1024, "that is what every guest gets"),
    ONLY("max_grant_version", 1, "that is the version there is"),
    WITHOUT("dm_restrict", CONFINED),
    WITHOUT("device_model_user", CONFINED),
    WITHOUT("device_model", "use device_model_override"),
    WITHOUT("device_model_args_pv", PARAVIRTUAL),
    WITHOUT("stubdomain_kernel", STUB_DOMAIN),
    WITHOUT("stubdomain_ramdisk", STUB_DOMAIN),
    WITHOUT("stubdomain_cmdline", STUB_DOMAIN),
    WITHOUT("stubdomain_memory", STUB_DOMAIN),
    WITHOUT("device_model_stubdomain_seclabel", STUB_DOMAIN),
    WITHOUT("pci", NO_DEVICES),
    WITHOUT("pci_permissive", NO_DEVICES),
    WITHOUT("pci_msitranslate", NO_DEVICES),
    WITHOUT("pci_seize", NO_DEVICES),
    WITHOUT("pci_power_mgmt", NO_DEVICES),
    WITHOUT("passthrough", NO_DEVICES),
    WITHOUT("rdm", NO_DEVICES),
    WITHOUT("rdm_mem_boundary", NO_DEVICES),
    WITHOUT("dtdev", NO_DEVICES),
    WITHOUT("ioports", NO_DEVICES),
    WITHOUT("iomem", NO_DEVICES),
    WITHOUT("irqs", NO_DEVICES),
    WITHOUT("usbctrl", "use usb=1 and usbdevice"),
    WITHOUT("usbdev", "use usb=1 and usbdevice"),
    WITHOUT("soundhw", "there is no sound"),
    WITHOUT("vsnd", "there is no sound"),
    WITHOUT("vfb", "use vga and vnc"),
    WITHOUT("vdispl", "use vga and vnc"),
    WITHOUT("vkb", "use usbdevice"),
    WITHOUT("vtpm", "there is no TPM"),
    WITHOUT("vendor_device", "there is no such device"),
    WITHOUT("pvcalls", "there are no paravirtual sockets"),
    WITHOUT("spicehost", USE_VNC),
    WITHOUT("spiceport", USE_VNC),
    WITHOUT("spicetls_port", USE_VNC),
    WITHOUT("spicedisable_ticketing", USE_VNC),
    WITHOUT("spicepasswd", USE_VNC),
    WITHOUT("spiceagent_mouse", USE_VNC),
    WITHOUT("spicevdagent", USE_VNC),
    WITHOUT("spice_clipboard_sharing", USE_VNC),
    WITHOUT("spiceusbredirection", USE_VNC),
    WITHOUT("spice_image_compression", USE_VNC),
    WITHOUT("spice_streaming_video", USE_VNC),
    WITHOUT("device_tree", OTHER_CPU),
    WITHOUT("gic_version", OTHER_CPU),
    WITHOUT("vuart", OTHER_CPU),
    WITHOUT("tee", OTHER_CPU),
    WITHOUT("pvshim_path", PARAVIRTUAL),
    WITHOUT("pvshim_cmdline", PARAVIRTUAL),
    WITHOUT("pvshim_extra", PARAVIRTUAL),
    WITHOUT("vnuma", "a guest has one NUMA node"),
    WITHOUT("mca_caps", "guests are told of no machine checks"),
    WITHOUT("init_seclabel", "there are no security labels"),
    WITHOUT("cpus", "vcpus cannot be pinned yet"),
    WITHOUT("cpus_soft", "vcpus cannot be pinned yet"),
    WITHOUT("cap", "the CPU is shared by cpu_weight, and what nobody wants anybody may have"),
    WITHOUT("pool", "there are no CPU pools"),
    WITHOUT("cpuid", "what CPUID shows a guest is computed by the hypervisor"),
    WITHOUT("msr_relaxed", "unknown MSRs always fault"),
    WITHOUT("timer_mode", "virtual timers cannot be configured"),
    WITHOUT("shadow_memory", "guests run with nested paging only"),
    WITHOUT("mmio_hole", "the hole below 4 GiB always starts at 0xf0000000"),
    WITHOUT("bootloader", "a guest boots by its firmware, or by kernel and ramdisk"),
    WITHOUT("bootloader_args", "a guest boots by its firmware, or by kernel and ramdisk"),
    WITHOUT("on_watchdog", "there is no watchdog"),
    WITHOUT("on_soft_reset", "a guest cannot reset itself softly"),
    WITHOUT("acpi_firmware", "hvmloader's ACPI tables are used as they are"),
    WITHOUT("smbios_firmware", "hvmloader's SMBIOS tables are used as they are"),
    WITHOUT("ms_vm_genid", "there is no VM generation number"),
    WITHOUT("seclabel", "there are no security labels"),
    WITHOUT("channel", "there are no paravirtual channels"),
    WITHOUT("p9", "there is no paravirtual file system"),
};

#define KEYS (sizeof(table) / sizeof(table[0]))

const char *xlcfg_key(size_t n, int *only)
{
    if (n >= KEYS)
        return NULL;
    *only = table[n].read ? XLCFG_HEEDED : table[n].only;
    return table[n].name;
}

static int read_key(struct reader *r)
{
    for (size_t i = 0; i < KEYS; i++) {
        const struct key *k = &table[i];

        if (strcmp(k->name, r->key))
            continue;
        if (k->read)
            return k->read(r);
        return k->only == NEVER ? refuse(r, "%s is not supported: %s", r->key, k->why)
                                : must_be(r, k->only, k->why);
    }
    return refuse(r, "%s is not a key that vmctl knows", r->key);
}

/* root= and extra= are two halves of the command line; cmdline= is all of it. */
static int join_cmdline(struct reader *r)
{
    const char *extra = r->extra ? r->extra : "";

    if (!r->root && !r->extra)
        return 0;
    if (r->c->cmdline)
        return refuse(r,
                      "cmdline is all of the kernel command line: root and extra cannot add to it");
    if (!r->root)
        return copy_text(r, extra, &r->c->cmdline);
    if (asprintf(&r->c->cmdline, "root=%s%s%s", r->root, *extra ? " " : "", extra) >= 0)
        return 0;
    r->c->cmdline = NULL;
    return refuse(r, "there is no memory");
}

/* What more than one key decides. */
static int finish(struct reader *r)
{
    struct vm_config *c = r->c;

    if (r->maxmem_mib && r->maxmem_mib != r->memory_mib)
        return refuse(r, "maxmem is not memory: a guest's memory does not change while it runs");
    if (r->maxvcpus && r->maxvcpus != c->vcpus)
        return refuse(r, "maxvcpus is not vcpus: a guest's vcpus do not change while it runs");
    if (r->display_given && r->display_in_listen)
        return refuse(r, "vncdisplay and vnclisten both say which display: leave one away");
    if (c->vga == VM_VGA_NONE)
        c->video_kib = 0;
    else if (!r->video_given && c->vga == VM_VGA_STD)
        c->video_kib = 16u << 10;
    return join_cmdline(r);
}

static bool assigned_again(struct keys k, const char *key)
{
    char other[KEY_MAX];

    while (keys_next(&k, other))
        if (strcmp(other, key) == 0)
            return true;
    return false;
}

static int read_keys(struct reader *r, const char *text, struct keys *k)
{
    char key[KEY_MAX];
    int rc = 0;

    keys_start(k, text);
    while (rc == 0 && keys_next(k, key)) {
        r->key = key;
        /* For libxlutil the last assignment counts, or all of them by +=. */
        if (!assigned_again(*k, key))
            rc = read_key(r);
    }
    r->key = NULL;
    return rc;
}

static void first_line(const char *text, char *to, size_t size)
{
    snprintf(to, size, "%.*s", (int)strcspn(text, "\n"), text);
}

static int parse(struct reader *r, const char *text, const char *name, char *why, size_t size)
{
    struct keys k;
    int rc = xlu_cfg_readdata(r->xlu, text, (int)strlen(text));

    if (rc) {
        char reported[sizeof(r->reported)];

        fflush(r->report);
        first_line(r->reported, reported, sizeof(reported));
        snprintf(why, size, "%s.", *reported ? reported : "The configuration is not understood");
        return rc == ENOMEM ? -ENOMEM : -EINVAL;
    }
    rc = read_keys(r, text, &k);
    if (rc) {
        snprintf(why, size, "%s, line %u: %s.", name, k.line, r->problem);
        return rc;
    }
    rc = finish(r);
    if (rc)
        snprintf(why, size, "%s: %s.", name, r->problem);
    return rc;
}

int xlcfg_parse(const char *text, const char *name, struct vm_config *c, char *why, size_t size)
{
    struct reader r = {.c = c};
    int rc = -ENOMEM;

    snprintf(why, size, "No memory.");
    r.report = fmemopen(r.reported, sizeof(r.reported) - 1, "w");
    if (r.report)
        r.xlu = xlu_cfg_init(r.report, name);
    if (r.xlu)
        rc = parse(&r, text, name, why, size);
    if (r.xlu)
        xlu_cfg_destroy(r.xlu);
    if (r.report)
        fclose(r.report);
    free(r.root);
    free(r.extra);
    return rc;
}
