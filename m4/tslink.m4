# SPDX-License-Identifier: ISC

# TSLINK_MISSING(WHAT, DEBIAN PACKAGE)
# Remembers what is missing, so that TSLINK_MISSING_END can name all of it at once.
AC_DEFUN([TSLINK_MISSING], [
	AC_MSG_WARN([$1 is missing (Debian package $2)])
	AS_CASE([" $tslink_missing "], [*" $2 "*], [], [AS_VAR_APPEND([tslink_missing], [" $2"])])
])

# TSLINK_MISSING_END
AC_DEFUN([TSLINK_MISSING_END], [
	AS_IF([test -n "$tslink_missing"],
		[AC_MSG_ERROR([see the warnings above. On Debian: apt-get install$tslink_missing])])
])

# TSLINK_LIB(VARIABLE, LIBRARY'S NAME, PKG-CONFIG MODULE, MINIMUM VERSION, HEADER, FUNCTION, CFLAGS, LIBS, DEBIAN PACKAGE)
# Sets VARIABLE_CFLAGS and VARIABLE_LIBS: what the user gave; else what pkg-config says, where it knows the module; else the flags given
# here. The header's declaration of the function and the library's definition decide, also where pkg-config is content.
AC_DEFUN([TSLINK_LIB], [
	AC_ARG_VAR([$1_CFLAGS], [C compiler flags for $2, overriding pkg-config])
	AC_ARG_VAR([$1_LIBS], [linker flags for $2, overriding pkg-config])
	AC_MSG_CHECKING([for $2])
	tslink_how=
	AS_IF([test -n "${$1_CFLAGS+set}${$1_LIBS+set}"], [tslink_how=given],
		[test -n "$PKG_CONFIG" && $PKG_CONFIG --exists "$3" 2>/dev/null], [
			tslink_how="pkg-config, `$PKG_CONFIG --modversion "$3"`"
			$1_CFLAGS=`$PKG_CONFIG --cflags "$3"`
			$1_LIBS=`$PKG_CONFIG --libs "$3"`
			AS_IF([$PKG_CONFIG --atleast-version="$4" "$3"], [], [
				AC_MSG_RESULT([$tslink_how])
				AC_MSG_ERROR([$2 is older than $4: install a newer one (Debian package $9)])
			])
		], [
			tslink_how="no pkg-config"
			$1_CFLAGS="$7"
			$1_LIBS="$8"
		])
	tslink_save_CPPFLAGS=$CPPFLAGS
	tslink_save_LIBS=$LIBS
	CPPFLAGS="$CPPFLAGS $$1_CFLAGS"
	LIBS="$$1_LIBS $LIBS"
	AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <$5>]], [[void (*volatile f)(void) = (void (*)(void))$6; return !f;]])],
		[AC_MSG_RESULT([yes ($tslink_how)])],
		[
			AC_MSG_RESULT([no])
			TSLINK_MISSING([$2 (<$5> with $6)], [$9])
		])
	CPPFLAGS=$tslink_save_CPPFLAGS
	LIBS=$tslink_save_LIBS
])

# TSLINK_HEADER_VERSION(LIBRARY'S NAME, VARIABLE, HEADER, MACRO, MINIMUM VERSION, DEBIAN PACKAGE)
# For libraries whose version is a string in a header. A header that is not there is TSLINK_LIB's matter.
AC_DEFUN([TSLINK_HEADER_VERSION], [
	AC_MSG_CHECKING([for the version of $1])
	AC_LANG_CONFTEST([AC_LANG_SOURCE([[#include <$3>
tslink_version $4]])])
	tslink_version=`$CPP $CPPFLAGS $$2_CFLAGS conftest.$ac_ext 2>/dev/null | sed -n 's/^tslink_version *"\([[0-9.]]*\)".*/\1/p'`
	rm -f conftest.$ac_ext
	AC_MSG_RESULT([${tslink_version:-unknown}])
	AS_IF([test -n "$tslink_version"],
		[AS_VERSION_COMPARE([$tslink_version], [$5],
			[AC_MSG_ERROR([$1 $tslink_version is older than $5: install a newer one (Debian package $6)])])])
])

# TSLINK_PROGRAM(VARIABLE, PROGRAM, DEBIAN PACKAGE, [DIRECTORY TO LOOK IN FIRST])
# A program that is needed to run, not to build; VARIABLE=PATH on configure's command line says where it will be.
AC_DEFUN([TSLINK_PROGRAM], [
	AC_ARG_VAR([$1], [where $2 will be found at run time])
	AC_PATH_PROG([$1], [$2], [], [m4_ifval([$4], [$4:])$PATH])
	AS_IF([test -z "$$1"], [TSLINK_MISSING([$2], [$3])])
])
