#include "shim.h"
void test_proc(void) { }
