#include "shim.h"
void test_paths(void) { }
