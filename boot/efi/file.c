/* SPDX-License-Identifier: BSD-2-Clause */
#include "boot/efi/loader.h"

#define CHUNK (4ul << 20) /* bytes per read: some firmware fails on much more at once */

bool file_open_volume(struct loader *l)
{
    static EFI_GUID file_system = EFI_SIMPLE_FILE_SYSTEM_PROTOCOL_GUID;
    EFI_SIMPLE_FILE_SYSTEM_PROTOCOL *fs;
    EFI_STATUS status = EFI_UNSUPPORTED;

    if (l->image->DeviceHandle)
        status = l->bs->HandleProtocol(l->image->DeviceHandle, &file_system, (void **)&fs);
    if (status == EFI_SUCCESS)
        status = fs->OpenVolume(fs, &l->volume);
    if (status != EFI_SUCCESS)
        return fail(l, status,
                    "cannot read the volume that helium.efi was loaded from: ", status_text(status),
                    ".", NULL);
    return true;
}

/* Appends path to the n units at wide, with single backslashes: firmware reads an empty component
 * as it pleases. Returns the new length. */
static UINTN append(CHAR16 *wide, UINTN n, const char *path, UINTN len)
{
    for (UINTN i = 0; i < len && n < 2 * CONFIG_MAX_PATH; i++) {
        CHAR16 c = path[i] == '/' ? L'\\' : (CHAR16)(u8)path[i];

        if (c != L'\\' || !n || wide[n - 1] != L'\\')
            wide[n++] = c;
    }
    return n;
}

static UINTN length(const char *s)
{
    UINTN n = 0;

    while (s[n])
        n++;
    return n;
}

/* Length of the directory part of a path, its last separator included. */
static UINTN directory(const char *path)
{
    UINTN n = length(path);

    while (n && path[n - 1] != '\\' && path[n - 1] != '/')
        n--;
    return n;
}

static EFI_STATUS open_path(struct loader *l, const char *path, EFI_FILE_HANDLE *file)
{
    CHAR16 wide[2 * CONFIG_MAX_PATH + 1];
    UINTN n = 0;

    if (path[0] != '\\' && path[0] != '/')
        n = append(wide, n, l->config_path, directory(l->config_path));
    n = append(wide, n, path, length(path));
    wide[n] = 0;
    return l->volume->Open(l->volume, file, wide, EFI_FILE_MODE_READ, 0);
}

bool file_exists(struct loader *l, const char *path)
{
    EFI_FILE_HANDLE file;

    if (open_path(l, path, &file) != EFI_SUCCESS)
        return false;
    file->Close(file);
    return true;
}

static EFI_STATUS get_size(EFI_FILE_HANDLE file, u64 *size)
{
    static EFI_GUID file_info = EFI_FILE_INFO_ID;
    struct {
        EFI_FILE_INFO info;
        CHAR16 name[CONFIG_MAX_PATH + 1];
    } buffer;
    UINTN room = sizeof(buffer);
    EFI_STATUS status = file->GetInfo(file, &file_info, &room, &buffer);

    if (status != EFI_SUCCESS)
        return status;
    *size = buffer.info.FileSize;
    return buffer.info.Attribute & EFI_FILE_DIRECTORY ? EFI_UNSUPPORTED : EFI_SUCCESS;
}

static EFI_STATUS read_all(EFI_FILE_HANDLE file, u8 *to, u64 size)
{
    for (u64 done = 0; done < size;) {
        UINTN n = MIN(size - done, CHUNK);
        EFI_STATUS status = file->Read(file, &n, to + done);

        if (status != EFI_SUCCESS)
            return status;
        if (!n)
            return EFI_END_OF_FILE;
        done += n;
    }
    return EFI_SUCCESS;
}

static bool load_open(struct loader *l, EFI_FILE_HANDLE file, const char *path, bool need_low,
                      u64 *base, u64 *size)
{
    EFI_STATUS status = get_size(file, size);
    u8 *to;

    if (status == EFI_UNSUPPORTED)
        return fail(l, status, "cannot read ", path, ": it is a directory.", NULL);
    if (status == EFI_SUCCESS) {
        if (!memory_alloc(l, *size, PAGE_SIZE, need_low, EfiLoaderData, path, base))
            return false;
        to = (u8 *)*base;
        status = read_all(file, to, *size);
    }
    if (status != EFI_SUCCESS)
        return fail(l, status, "cannot read ", path, ": ", status_text(status), ".", NULL);
    for (u64 i = *size; !i || i % PAGE_SIZE; i++)
        to[i] = 0;
    return true;
}

bool file_load(struct loader *l, const char *path, bool need_low, u64 *base, u64 *size)
{
    EFI_FILE_HANDLE file;
    EFI_STATUS status = open_path(l, path, &file);
    bool loaded;

    if (status != EFI_SUCCESS)
        return fail(l, status, "cannot open ", path, ": ", status_text(status), ".", NULL);
    loaded = load_open(l, file, path, need_low, base, size);
    file->Close(file);
    return loaded;
}
