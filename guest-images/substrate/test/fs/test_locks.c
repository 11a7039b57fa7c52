#include "shim.h"
void test_locks(void) { }
