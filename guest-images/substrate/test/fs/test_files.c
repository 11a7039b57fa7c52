#include "shim.h"
void test_files(void) { }
