#include "shim.h"
void test_corrupt(void) { }
