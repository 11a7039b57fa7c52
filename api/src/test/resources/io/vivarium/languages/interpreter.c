/* SPDX-License-Identifier: Apache-2.0 */
/* Lua as an embedder has it: the script with its arguments in `arg`, an error on stderr and exit code 1. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	lua_State *lua = luaL_newstate();
	if (!lua || argc < 2)
		return 2;
	luaL_openlibs(lua);
	lua_newtable(lua);
	for (int i = 1; i < argc; i++) {
		lua_pushstring(lua, argv[i]);
		lua_rawseti(lua, -2, i - 1);
	}
	lua_setglobal(lua, "arg");
	int failed = luaL_dofile(lua, argv[1]);
	if (failed)
		fprintf(stderr, "%s\n", lua_tostring(lua, -1));
	lua_close(lua);
	return failed;
}
