#!/bin/sh
# Look for the system libraries that Qt, OpenGL and the virtual display need under Linux.
# Install what is missing where that is allowed without a password, else print the command.
# On other systems the wheels bring all they need.
set -u

[ "$(uname -s)" = Linux ] || exit 0

# library or program, and the Debian package that holds it
NEEDED="
libEGL.so.1              libegl1
libGL.so.1               libgl1
libGLX_mesa.so.0         libglx-mesa0
libOpenGL.so.0           libopengl0
libdbus-1.so.3           libdbus-1-3
libfontconfig.so.1       libfontconfig1
libglib-2.0.so.0         libglib2.0-0
libxcb-cursor.so.0       libxcb-cursor0
libxcb-icccm.so.4        libxcb-icccm4
libxcb-image.so.0        libxcb-image0
libxcb-keysyms.so.1      libxcb-keysyms1
libxcb-randr.so.0        libxcb-randr0
libxcb-render-util.so.0  libxcb-render-util0
libxcb-shape.so.0        libxcb-shape0
libxcb-xinerama.so.0     libxcb-xinerama0
libxcb-xkb.so.1          libxcb-xkb1
libxkbcommon-x11.so.0    libxkbcommon-x11-0
Xvfb                     xvfb
xauth                    xauth
"

# ldconfig is not on the path of every user
libraries=$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null)

missing() {
    echo "$NEEDED" | while read -r file package; do
        case "$file" in
        "") continue ;;
        lib*) echo "$libraries" | grep -qF "$file " || echo "$package" ;;
        *) command -v "$file" >/dev/null || echo "$package" ;;
        esac
    done
    find /usr/share/fonts /usr/local/share/fonts -name '*.[ot]tf' 2>/dev/null | grep -q . ||
        echo fonts-dejavu-core
}

one_line() {
    tr '\n' ' ' | sed 's/ $//'
}

packages=$(missing | one_line)
[ -n "$packages" ] || exit 0
install="apt-get install --yes --no-install-recommends $packages"

if command -v apt-get >/dev/null; then
    if [ "$(id -u)" = 0 ]; then
        become=""
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        become="sudo -n"
    else
        become=none
    fi
    if [ "$become" != none ]; then
        echo "Installing system packages: $packages"
        $become apt-get update -qq && DEBIAN_FRONTEND=noninteractive $become $install >/dev/null &&
            exit 0
    fi
    echo "The napari window needs system packages that are missing here. Install them with:" >&2
    echo "    sudo apt-get update && sudo $install" >&2
else
    echo "The napari window needs libraries that are missing here. By the names of Debian's packages:" >&2
    echo "    $packages" >&2
fi
# Not an error: the command line works without them, and window tests name what they lack.
exit 0
