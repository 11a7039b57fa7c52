#include "shim.h"
void test_exhaustion(void) { }
