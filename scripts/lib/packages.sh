# SPDX-License-Identifier: BSD-2-Clause
# Debian packages as a source of files: a private apt that neither changes this machine's nor looks at what is
# installed here, and a cache outside the tree, so that a second call works without network.
# Source it after common.sh.

PACKAGES_CACHE=$HELIUM_CACHE/packages

# packages_open NAME ARCHITECTURE SUITE...: from here on packages of this architecture are meant, from these
# suites of the Debian archives that this machine's apt knows. NAME keeps the package lists apart. Waits
# until no other script uses the cache. With PACKAGES_REFRESH=yes it looks for newer packages now,
# otherwise once a day.
packages_open()
{
    local name=$1 architecture=$2
    shift 2
    need_tool apt-get apt
    need_tool dpkg-deb dpkg
    apt_dir=$PACKAGES_CACHE/apt-$name
    mkdir -p "$apt_dir"/{state/lists/partial,cache/archives/partial} "$PACKAGES_CACHE"/{debs,files}
    exec 9>"$PACKAGES_CACHE/lock"
    flock 9
    : >"$apt_dir/status"
    apt_sources "$@" >"$apt_dir/sources.list"
    apt_configuration "$architecture" >"$apt_dir/apt.conf"
    [ "${PACKAGES_REFRESH:-no}" = yes ] || [ -z "$(find "$apt_dir/updated" -mtime -1 2>/dev/null)" ] || return 0
    if private apt-get -q -q update; then
        touch "$apt_dir/updated"
    elif [ -n "$(private apt-cache pkgnames busybox-static)" ]; then
        say "the Debian archive does not answer in all its parts: going on with what is known"
    else
        die "the Debian archive does not answer: check the network and /etc/apt."
    fi
}

# Its own state, no installed packages, this machine's mirror and proxy settings.
apt_configuration()
{
    apt-config dump | grep -iE '^Acquire::(https?|ftp)?:?:?(Proxy|Retries|https?::)' || true
    cat <<END
Dir::State "$apt_dir/state";
Dir::State::status "$apt_dir/status";
Dir::Cache "$apt_dir/cache";
Dir::Etc::SourceList "$apt_dir/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::Etc::Parts "/dev/null";
APT::Architecture "$1";
APT::Architectures { "$1"; };
APT::Sandbox::User "root";
Acquire::Languages "none";
END
}

# packages_close: nothing more is fetched; others may. What is unpacked stays as it is.
packages_close()
{
    exec 9>&-
}

private()
{
    APT_CONFIG=$apt_dir/apt.conf "$@"
}

# apt_sources SUITE...: this machine's Debian archives; those that carry a suite of the first one's name
# itself (and not only its security fixes, say) are asked for the other suites as well.
apt_sources()
{
    local key=/usr/share/keyrings/debian-archive-keyring.gpg options= lines suite first=$1
    shift
    [ ! -r "$key" ] || options="[signed-by=$key] "
    lines=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' 'Origin: Debian' |
        sed "s/ [a-z]*/ $first/" | sort -u)
    [ -n "$lines" ] || die "this machine's apt has no Debian archive among its sources."
    sed "s|^|deb $options|; s|\$| main|" <<<"$lines"
    for suite in "$@"; do
        sed -n "s|^\([^ ]*\) $first\$|deb $options\1 $suite main|p" <<<"$lines"
    done
}

# depends ARGS... -- PACKAGE...: names that the packages depend on, first alternative of each.
depends()
{
    private apt-cache depends --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces \
        --no-enhances "$@" | sed -n 's/^ [ |]*\(Pre\)\?Depends: \([a-z0-9][^ ]*\)$/\2/p' | sort -u
}

# kernel_package META [SUITE]: the kernel's package name behind the metapackage.
kernel_package()
{
    depends ${2:+-t "$2"} "$1" | grep '^linux-image-[0-9]' || die "$1 names no kernel package."
}

# fetch [-t SUITE] PACKAGE...: download what is not there yet; print the path of each package's file.
fetch()
{
    local uris missing options=()
    [ "$1" != -t ] || options=(-t "$2")
    # From a directory without packages: apt leaves out what it finds in the current one.
    uris=$(cd "$apt_dir" && private apt-get -q -q --print-uris download "$@") && [ -n "$uris" ] ||
        die "apt does not know all of: $*"
    missing=$(awk -v dir="$PACKAGES_CACHE/debs" '{print dir "/" $2, $1}' <<<"$uris" | while read -r file uri; do
        [ -e "$file" ] || { file=${file##*/}; echo "${file%%_*}"; }
    done)
    if [ -n "$missing" ]; then
        say "fetching $(wc -w <<<"$missing") packages" >&2
        (cd "$PACKAGES_CACHE/debs" && private apt-get -q -q download "${options[@]}" $missing) >&2 ||
            die "a package could not be fetched."
    fi
    awk -v dir="$PACKAGES_CACHE/debs" '{print dir "/" $2}' <<<"$uris"
}

# unpacked DEB: the directory with the package's files, unpacked once.
unpacked()
{
    local name
    name=$(basename "$1" .deb)
    if [ ! -d "$PACKAGES_CACHE/files/$name" ]; then
        rm -rf "$PACKAGES_CACHE/files/$name.new"
        dpkg-deb -x "$1" "$PACKAGES_CACHE/files/$name.new" &&
            mv "$PACKAGES_CACHE/files/$name.new" "$PACKAGES_CACHE/files/$name" || die "$1 could not be unpacked."
    fi
    echo "$PACKAGES_CACHE/files/$name"
}
