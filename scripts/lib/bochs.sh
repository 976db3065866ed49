# SPDX-License-Identifier: BSD-2-Clause
# The Bochs that VMX runs use: built from the source package of Debian trixie, since the binaries
# of Debian run at half this speed (trixie) or a quarter of it (bookworm). One fix of ours makes its second CPU
# steady (bochs-smp.patch). Source it after common.sh.

BOCHS_VERSION=3.0
BOCHS_SUITE=trixie
BOCHS_PATCH=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/bochs-smp.patch
BOCHS_CXXFLAGS='-O3 -march=x86-64-v2'
BOCHS_CONFIGURE=(
    --with-nogui --with-rfb --with-term
    --enable-smp --enable-cpu-level=6 --enable-x86-64
    --enable-vmx=2 --enable-svm
    --enable-all-optimizations --enable-repeat-speedups
    --enable-a20-pin --enable-avx --enable-evex --enable-fpu --enable-cet --enable-uintr
    --enable-memtype --enable-protection-keys --enable-long-phy-address
    --enable-pci --enable-e1000 --enable-cdrom
    --enable-x86-debugger
    --disable-show-ips --disable-docbook
)

# The cache key covers everything that shapes the binary.
bochs_key()
{
    {
        printf '%s\n' "$BOCHS_VERSION" "$BOCHS_SUITE" "$BOCHS_CXXFLAGS" "${BOCHS_CONFIGURE[@]}"
        cat "$BOCHS_PATCH"
    } | short_hash
}

BOCHS_DIR=$HELIUM_CACHE/bochs-$BOCHS_VERSION-$(bochs_key)
BOCHS=$BOCHS_DIR/bin/bochs

# bochs_ready: whether the binary is built and starts on this machine.
bochs_ready()
{
    [ -x "$BOCHS" ] && "$BOCHS" --help </dev/null 2>&1 | grep -q "$BOCHS_VERSION"
}

# The address of the Debian archive this machine already uses: no script names one.
debian_archive()
{
    apt-get indextargets --format '$(REPO_URI)' \
        'Created-By: Packages' 'Origin: Debian' "Codename: $(. /etc/os-release && echo "$VERSION_CODENAME")" |
        head -n 1
}

# bochs_fetch DIR: trixie's source package in DIR/src/bochs, through an apt of its own. The machine's
# sources, lists and preferences stay as they are, and no binary of trixie can be installed by it.
# Only the two archives are asked for (apt checks them against the signed index): some caching
# proxies do not carry .dsc files.
bochs_fetch()
{
    local dir=$1 archive part
    archive=$(debian_archive)
    if [ -z "$archive" ]; then
        echo "apt knows no Debian archive on this machine (apt-get update may help)"
        return 1
    fi
    mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial" "$dir/src/bochs"
    cat >"$dir/apt/trixie.sources" <<END
Types: deb-src
URIs: $archive
Suites: $BOCHS_SUITE
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
    local apt=(apt-get -q -o APT::Sandbox::User=root
        -o "Dir::Etc::SourceList=$dir/apt/trixie.sources" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$dir/apt/lists" -o "Dir::Cache=$dir/apt/cache")
    "${apt[@]}" update || return 1
    for part in --tar-only --diff-only; do
        (cd "$dir/src" && "${apt[@]}" source --download-only "$part" bochs) || return 1
    done
    tar -C "$dir/src/bochs" --strip-components=1 -xf "$dir"/src/bochs_"$BOCHS_VERSION"*.orig.tar.* &&
        tar -C "$dir/src/bochs" -xf "$dir"/src/bochs_"$BOCHS_VERSION"*.debian.tar.* &&
        bochs_patch "$dir/src/bochs"
}

# bochs_patch DIR: Debian's own patches, in their order, and ours.
bochs_patch()
(
    cd "$1" || exit 1
    while read -r name _; do
        case $name in '' | '#'*) continue ;; esac
        patch -p1 --forward <"debian/patches/$name" || exit 1
    done <debian/patches/series
    patch -p1 --forward <"$BOCHS_PATCH"
)

# bochs_compile DIR: configure, compile and keep the binary in BOCHS_DIR; appears there all at once.
bochs_compile()
{
    local dir=$1
    (cd "$dir/src/bochs" &&
        ./configure "${BOCHS_CONFIGURE[@]}" CXXFLAGS="$BOCHS_CXXFLAGS" --prefix="$BOCHS_DIR" &&
        make -j"$(nproc)") || return 1
    mkdir -p "$dir/out/bin"
    install -s -m 755 "$dir/src/bochs/bochs" "$dir/out/bin/bochs" &&
        rm -rf "$BOCHS_DIR" && mv "$dir/out" "$BOCHS_DIR"
}

# bochs_build: what scripts/setup calls. One builder at a time; a second call finds it done.
bochs_build()
{
    bochs_ready && return 0
    mkdir -p "$HELIUM_CACHE"
    exec 9>"$HELIUM_CACHE/bochs.lock"
    flock 9
    if bochs_ready; then
        exec 9>&-
        return 0
    fi
    local dir=$HELIUM_CACHE/bochs-build log
    rm -rf "$dir"
    log=$HELIUM_CACHE/bochs-build.log
    say "Bochs $BOCHS_VERSION: fetching the source package of Debian $BOCHS_SUITE (log: $log)"
    bochs_fetch "$dir" >"$log" 2>&1 ||
        die "fetching Bochs' source failed; the last line of $log: $(tail -n 1 "$log")"
    say "Bochs $BOCHS_VERSION: compiling, about five minutes on two cores"
    bochs_compile "$dir" >>"$log" 2>&1 ||
        die "compiling Bochs failed; the last line of $log: $(tail -n 1 "$log")"
    rm -rf "$dir"
    exec 9>&-
    bochs_ready || die "the Bochs just built does not start: run $BOCHS --help to see why."
}
