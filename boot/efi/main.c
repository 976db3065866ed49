/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * helium.efi: reads helium.cfg, loads what it names, describes the machine in struct boot_info,
 * ends the firmware's boot services and jumps to boot_entry64 of the hypervisor. Whatever fails
 * before that ends in one sentence and a return to the firmware.
 */
#include "boot/efi/loader.h"
#include "boot/info.h"
#include "hv/errno.h"

#define MAX_QUOTED 60ul /* characters of a word that an error sentence quotes */

static const char loader_name[] = "helium.efi";

/* NUL-terminated copy of a path that config_parse has accepted. */
struct path {
    char text[CONFIG_MAX_PATH + 1];
};

static struct path path_of(const struct config_file *file)
{
    struct path p;

    if (boot_copy(p.text, sizeof(p.text), file->path.at, file->path.len))
        p.text[0] = '\0';
    return p;
}

/* Decimal, into the end of the buffer. */
static const char *decimal(u32 n, char buffer[12])
{
    char *p = buffer + 11;

    *p = '\0';
    do {
        *--p = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    return p;
}

/* The file's directory where helium.efi itself lies, as text; empty if it cannot be told. */
static void own_directory(struct loader *l, char *path)
{
    const EFI_DEVICE_PATH *node = l->image->FilePath;
    const CHAR16 *wide;
    size_t n = 0, end = 0;

    path[0] = '\0';
    if (!node || DevicePathType(node) != MEDIA_DEVICE_PATH ||
        DevicePathSubType(node) != MEDIA_FILEPATH_DP)
        return;
    wide = ((const FILEPATH_DEVICE_PATH *)node)->PathName;
    for (; n < CONFIG_MAX_PATH - 16 && wide[n] > ' ' && wide[n] <= '~'; n++) {
        path[n] = (char)wide[n];
        if (path[n] == '\\')
            end = n + 1;
    }
    path[end] = '\0';
}

static bool find_config(struct loader *l)
{
    static const char *const places[] = {"\\EFI\\helium\\helium.cfg", "\\helium.cfg"};
    static const char name[] = "helium.cfg";
    size_t n = 0;

    if (config_path_option(l->image->LoadOptions, l->image->LoadOptionsSize / sizeof(CHAR16),
                           l->config_path))
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        if (file_exists(l, places[i]))
            return !boot_copy(l->config_path, sizeof(l->config_path), places[i],
                              __builtin_strlen(places[i]));
    }
    own_directory(l, l->config_path);
    while (l->config_path[n])
        n++;
    if (n && !boot_copy(l->config_path + n, sizeof(l->config_path) - n, name, sizeof(name) - 1) &&
        file_exists(l, l->config_path))
        return true;
    return fail(l, EFI_NOT_FOUND,
                "there is no \\EFI\\helium\\helium.cfg, no \\helium.cfg and no helium.cfg beside "
                "helium.efi; docs/boot.md says what to write there.",
                NULL);
}

/* One sentence: file, line, reason, and the word it is about. */
static bool config_fail(struct loader *l, const struct config_error *e)
{
    struct path word;
    char number[12];

    if (boot_copy(word.text, sizeof(word.text), e->word.at, MIN(e->word.len, MAX_QUOTED)))
        word.text[0] = '\0';
    return fail(l, EFI_INVALID_PARAMETER, l->config_path, e->line ? ", line " : "",
                e->line ? decimal(e->line, number) : "", ": ", e->reason, e->word.len ? " '" : "",
                word.text, e->word.len ? "'" : "", ".", NULL);
}

static bool read_config(struct loader *l)
{
    struct config_error error;
    u64 base, size;

    if (!find_config(l) || !file_load(l, l->config_path, false, &base, &size))
        return false;
    if (!config_parse((const char *)base, size, &l->config, &error))
        return config_fail(l, &error);
    return true;
}

static bool load_hypervisor(struct loader *l)
{
    struct path path = path_of(&l->config.hypervisor);
    const char *wrong;
    u64 file, size;

    if (!file_load(l, path.text, false, &file, &size))
        return false;
    wrong = hv_image_check((const void *)file, size, &l->hv);
    if (wrong)
        return fail(l, EFI_LOAD_ERROR, path.text, " ", wrong, ".", NULL);
    if (!memory_alloc(l, l->hv.size, HV_IMAGE_ALIGN, true, EfiLoaderCode, "the hypervisor",
                      &l->hv_base))
        return false;
    memset((void *)l->hv_base, 0, l->hv.size);
    hv_image_load((const void *)file, (u8 *)l->hv_base);
    memory_free(l, file);
    return true;
}

static struct slice base_name(struct slice path)
{
    size_t n = path.len;

    while (n && path.at[n - 1] != '\\' && path.at[n - 1] != '/')
        n--;
    return (struct slice){path.at + n, path.len - n};
}

static bool load_module(struct loader *l, const struct config_file *file)
{
    struct path path = path_of(file);
    struct slice name = base_name(file->path);
    u64 base, size;

    console_say(l, "Helium: loading ");
    console_say(l, path.text);
    console_say(l, "\r\n");
    if (!file_load(l, path.text, false, &base, &size))
        return false;
    if (boot_add_module(l->info, base, size, file->args.at, file->args.len, name.at, name.len))
        return fail(l, EFI_BUFFER_TOO_SMALL,
                    "the modules' names and arguments are longer than 8190 characters in all.",
                    NULL);
    return true;
}

static bool guid_equal(const EFI_GUID *a, const EFI_GUID *b)
{
    const u64 *x = (const void *)a, *y = (const void *)b;

    return x[0] == y[0] && x[1] == y[1];
}

static u64 config_table(struct loader *l, const EFI_GUID *guid)
{
    for (UINTN i = 0; i < l->st->NumberOfTableEntries; i++) {
        if (guid_equal(&l->st->ConfigurationTable[i].VendorGuid, guid))
            return (u64)l->st->ConfigurationTable[i].VendorTable;
    }
    return 0;
}

static bool describe_machine(struct loader *l)
{
    static const EFI_GUID acpi20 = ACPI_20_TABLE_GUID, acpi10 = ACPI_TABLE_GUID;
    struct boot_info *bi;
    u64 base;

    if (!memory_alloc(l, sizeof(*bi), PAGE_SIZE, true, EfiLoaderData, "the boot information",
                      &base))
        return false;
    l->info = bi = (struct boot_info *)base;
    boot_info_init(bi);
    bi->image_base = l->hv_base;
    bi->image_size = l->hv.size;
    bi->efi_system_table = (u64)l->st;
    bi->rsdp = config_table(l, &acpi20);
    if (!bi->rsdp)
        bi->rsdp = config_table(l, &acpi10);
    /* Both fit: the one is short, the other was checked by the parser. */
    if (boot_copy(bi->loader, sizeof(bi->loader), loader_name, sizeof(loader_name) - 1) ||
        boot_copy(bi->cmdline, sizeof(bi->cmdline), l->config.cmdline.at, l->config.cmdline.len))
        return fail(l, EFI_BUFFER_TOO_SMALL, "the hypervisor's command line is too long.", NULL);
    video_describe(l);
    return true;
}

static bool prepare(struct loader *l)
{
    static EFI_GUID loaded_image = EFI_LOADED_IMAGE_PROTOCOL_GUID;
    EFI_STATUS status = l->bs->HandleProtocol(l->self, &loaded_image, (void **)&l->image);

    if (status != EFI_SUCCESS)
        return fail(l, status, "the firmware does not say where helium.efi was loaded from.", NULL);
    l->bs->SetWatchdogTimer(0, 0, 0, NULL); /* large files take their time */
    if (!file_open_volume(l) || !read_config(l) || !load_hypervisor(l) || !describe_machine(l))
        return false;
    for (u32 i = 0; i < l->config.file_count; i++) {
        if (!load_module(l, &l->config.file[i]))
            return false;
    }
    return true;
}

static void __attribute__((noreturn)) enter(struct loader *l)
{
    void (*entry)(struct boot_info *) __attribute__((noreturn, sysv_abi)) =
        (void *)(l->hv_base + l->hv.entry);

    __asm__ volatile("cli");
    entry(l->info);
}

/* Called by GNU-EFI's crt0 in its calling convention. Ends by Exit(), because crt0 does not
 * preserve all registers that the firmware expects to be preserved over a return. */
EFI_STATUS efi_main(EFI_HANDLE self, EFI_SYSTEM_TABLE *st);
EFI_STATUS efi_main(EFI_HANDLE self, EFI_SYSTEM_TABLE *st)
{
    static struct loader loader; /* too large for comfort on the firmware's stack */
    struct loader *l = &loader;
    bool gone = false;

    *l = (struct loader){.self = self, .st = st, .bs = st->BootServices};
    if (prepare(l) && memory_hand_over(l, &gone))
        enter(l);
    if (gone) {
        serial_say("Helium: ");
        serial_say(l->why);
        serial_say("\r\n");
        for (;;)
            __asm__ volatile("cli; hlt");
    }
    console_fail(l);
    memory_free_all(l);
    if (l->volume)
        l->volume->Close(l->volume);
    l->bs->Exit(self, l->status, 0, NULL);
    return l->status;
}
