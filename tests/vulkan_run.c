/* vulkan_run.c -- runs SPIR-V kernels on this machine's Vulkan device: for tests. */
#define VK_NO_PROTOTYPES
#include "vulkan_run.h"

#include <dlfcn.h>
#include <vulkan/vulkan_core.h>

#include "ir/fatal.h"

// clang-format off
#define GLOBAL_FUNCTIONS(F) F(CreateInstance) F(EnumerateInstanceVersion)
#define INSTANCE_FUNCTIONS(F) \
  F(DestroyInstance) F(EnumeratePhysicalDevices) F(GetPhysicalDeviceProperties) F(GetPhysicalDeviceFeatures2) \
  F(GetPhysicalDeviceMemoryProperties) F(GetPhysicalDeviceQueueFamilyProperties) F(CreateDevice) F(GetDeviceProcAddr) \
  F(EnumerateDeviceExtensionProperties)
#define DEVICE_FUNCTIONS(F) \
  F(DestroyDevice) F(GetDeviceQueue) F(CreateBuffer) F(DestroyBuffer) F(GetBufferMemoryRequirements) \
  F(AllocateMemory) F(FreeMemory) F(BindBufferMemory) F(MapMemory) F(CreateShaderModule) F(DestroyShaderModule) \
  F(CreateDescriptorSetLayout) F(DestroyDescriptorSetLayout) F(CreatePipelineLayout) F(DestroyPipelineLayout) \
  F(CreateComputePipelines) F(DestroyPipeline) F(CreateDescriptorPool) F(DestroyDescriptorPool) \
  F(AllocateDescriptorSets) F(UpdateDescriptorSets) F(CreateCommandPool) F(DestroyCommandPool) \
  F(AllocateCommandBuffers) F(BeginCommandBuffer) F(EndCommandBuffer) F(CmdBindPipeline) F(CmdBindDescriptorSets) \
  F(CmdPushConstants) F(CmdDispatch) F(CmdPipelineBarrier) F(QueueSubmit) F(QueueWaitIdle)
// clang-format on

struct Vulkan {
  void *library;
  VkInstance instance;
  VkPhysicalDevice physical;
  VkDevice device;
  VkQueue queue;
  uint32_t family;
  bool has_idot;
  VkPhysicalDeviceMemoryProperties memory;
  VkPhysicalDeviceProperties properties;
#define MEMBER(name) PFN_vk##name name;
  GLOBAL_FUNCTIONS(MEMBER)
  INSTANCE_FUNCTIONS(MEMBER)
  DEVICE_FUNCTIONS(MEMBER)
#undef MEMBER
};

#define must(call) must_succeed((call), #call)
static void must_succeed(VkResult r, const char *what) {
  if (r != VK_SUCCESS) fatal_resource("Vulkan: %s gave %d", what, (int)r);
}

/* ---- opening ---- */

static bool open_instance(Vulkan *v) {
  v->library = dlopen("libvulkan.so.1", RTLD_NOW | RTLD_LOCAL);
  PFN_vkGetInstanceProcAddr get =
      v->library ? (PFN_vkGetInstanceProcAddr)dlsym(v->library, "vkGetInstanceProcAddr") : NULL;
  if (!get) return false;
#define LOAD(name) v->name = (PFN_vk##name)get(v->instance, "vk" #name);
  GLOBAL_FUNCTIONS(LOAD)
  uint32_t version = 0;
  if (!v->EnumerateInstanceVersion || v->EnumerateInstanceVersion(&version) || version < VK_API_VERSION_1_2)
    return false;
  VkApplicationInfo app = {.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO, .apiVersion = VK_API_VERSION_1_2};
  VkInstanceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO, .pApplicationInfo = &app};
  if (v->CreateInstance(&info, NULL, &v->instance) != VK_SUCCESS) return false;
  INSTANCE_FUNCTIONS(LOAD)
#undef LOAD
  return true;
}

static bool find_queue(Vulkan *v) {
  VkQueueFamilyProperties family[16];
  uint32_t n = 16;
  v->GetPhysicalDeviceQueueFamilyProperties(v->physical, &n, family);
  for (v->family = 0; v->family < n; v->family++)
    if (family[v->family].queueFlags & VK_QUEUE_COMPUTE_BIT) return true;
  return false;
}

/* Narrow storage: all that a kernel of the baseline may need. */
static bool has_features(Vulkan *v) {
  VkPhysicalDeviceVulkan12Features v12 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES};
  VkPhysicalDeviceVulkan11Features v11 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES,
                                          .pNext = &v12};
  VkPhysicalDeviceFeatures2 all = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, .pNext = &v11};
  v->GetPhysicalDeviceFeatures2(v->physical, &all);
  return v12.storageBuffer8BitAccess && v11.storageBuffer16BitAccess;
}

static bool has_extension(Vulkan *v, const char *name) {
  VkExtensionProperties all[512];
  uint32_t n = 512;
  v->EnumerateDeviceExtensionProperties(v->physical, NULL, &n, all);
  for (uint32_t i = 0; i < n; i++)
    if (strcmp(all[i].extensionName, name) == 0) return true;
  return false;
}

/* The extension's feature is there wherever the extension is. */
#define IDOT VK_KHR_SHADER_INTEGER_DOT_PRODUCT_EXTENSION_NAME

static bool find_device(Vulkan *v) {
  VkPhysicalDevice device[8];
  uint32_t n = 8;
  VkResult r = v->EnumeratePhysicalDevices(v->instance, &n, device);
  for (uint32_t i = 0; (r == VK_SUCCESS || r == VK_INCOMPLETE) && i < n; i++) {
    v->physical = device[i];
    v->GetPhysicalDeviceProperties(v->physical, &v->properties);
    if (v->properties.apiVersion >= VK_API_VERSION_1_2 && has_features(v) && find_queue(v)) return true;
  }
  return false;
}

static void open_device(Vulkan *v) {
  const char *const idot = IDOT;
  VkPhysicalDeviceShaderIntegerDotProductFeatures dot = {
      .sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES,
      .shaderIntegerDotProduct = VK_TRUE};
  v->has_idot = has_extension(v, idot);
  VkPhysicalDeviceVulkan12Features v12 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
                                          .pNext = v->has_idot ? &dot : NULL,
                                          .storageBuffer8BitAccess = VK_TRUE};
  VkPhysicalDeviceVulkan11Features v11 = {.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES,
                                          .pNext = &v12,
                                          .storageBuffer16BitAccess = VK_TRUE};
  float priority = 1;
  VkDeviceQueueCreateInfo queue = {.sType = VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                   .queueFamilyIndex = v->family,
                                   .queueCount = 1,
                                   .pQueuePriorities = &priority};
  VkDeviceCreateInfo info = {.sType = VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                             .pNext = &v11,
                             .queueCreateInfoCount = 1,
                             .pQueueCreateInfos = &queue,
                             .enabledExtensionCount = v->has_idot,
                             .ppEnabledExtensionNames = &idot};
  must(v->CreateDevice(v->physical, &info, NULL, &v->device));
#define LOAD(name) v->name = (PFN_vk##name)v->GetDeviceProcAddr(v->device, "vk" #name);
  DEVICE_FUNCTIONS(LOAD)
#undef LOAD
  v->GetDeviceQueue(v->device, v->family, 0, &v->queue);
  v->GetPhysicalDeviceMemoryProperties(v->physical, &v->memory);
}

/* Some drivers leak when they are asked for their devices: what the leak checker, if there is one, need not report. */
void __lsan_disable(void) __attribute__((weak));
void __lsan_enable(void) __attribute__((weak));

static bool open_all(Vulkan *v) {
  if (!open_instance(v) || !find_device(v)) return false;
  open_device(v);
  return true;
}

Vulkan *vulkan_open(Arena *a) {
  Vulkan *v = ARENA_NEW(a, Vulkan);
  if (__lsan_disable) __lsan_disable();
  bool open = open_all(v);
  if (__lsan_enable) __lsan_enable();
  if (open) return v;
  vulkan_close(v);
  return NULL;
}

/* The library stays: drivers do not all survive being closed. */
void vulkan_close(Vulkan *v) {
  if (v && v->device) v->DestroyDevice(v->device, NULL);
  if (v && v->instance) v->DestroyInstance(v->instance, NULL);
}

const char *vulkan_device(const Vulkan *v) { return v->properties.deviceName; }
bool vulkan_takes(const Vulkan *v, const Target *t) { return v->has_idot || !target_has(t, FEATURE_idot); }

/* ---- memory ---- */

typedef struct Buffer {
  VkBuffer buffer;
  VkDeviceMemory memory;
  void *at, *host;
  size_t bytes;
} Buffer;

/* Memory that both the device and we see; every device has some. */
static uint32_t memory_type(const Vulkan *v, uint32_t allowed) {
  VkMemoryPropertyFlags want = VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  for (uint32_t i = 0; i < v->memory.memoryTypeCount; i++)
    if (allowed >> i & 1 && (v->memory.memoryTypes[i].propertyFlags & want) == want) return i;
  fatal_resource("Vulkan: no memory that both sides see");
}

static Buffer open_buffer(Vulkan *v, void *host, int64_t bytes) {
  Buffer b = {.host = host, .bytes = (size_t)bytes};
  VkBufferCreateInfo info = {.sType = VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO,
                             .size = bytes ? (VkDeviceSize)bytes : 4,
                             .usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT};
  must(v->CreateBuffer(v->device, &info, NULL, &b.buffer));
  VkMemoryRequirements need;
  v->GetBufferMemoryRequirements(v->device, b.buffer, &need);
  VkMemoryAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                                   .allocationSize = need.size,
                                   .memoryTypeIndex = memory_type(v, need.memoryTypeBits)};
  must(v->AllocateMemory(v->device, &allocate, NULL, &b.memory));
  must(v->BindBufferMemory(v->device, b.buffer, b.memory, 0));
  must(v->MapMemory(v->device, b.memory, 0, VK_WHOLE_SIZE, 0, &b.at));
  if (b.bytes) memcpy(b.at, host, b.bytes);
  return b;
}

static void close_buffer(Vulkan *v, Buffer *b) {
  if (b->bytes) memcpy(b->host, b->at, b->bytes);
  v->DestroyBuffer(v->device, b->buffer, NULL);
  v->FreeMemory(v->device, b->memory, NULL);
}

/* ---- a run ---- */

enum { MAX_BUFFERS = 16, MAX_PUSH = 32 };

typedef struct Run {
  uint32_t n_buffers, n_push;
  Buffer buffer[MAX_BUFFERS];
  uint32_t push[MAX_PUSH];
  VkDescriptorSetLayout set_layout;
  VkPipelineLayout layout;
  VkPipeline pipeline;
  VkDescriptorPool pool;
  VkDescriptorSet set;
} Run;

static void take_arguments(Vulkan *v, Run *r, const Func *f, const KernelArg *arg) {
  for (int i = 0; i < f->body->n_args; i++) {
    Type t = f->body->arg[i]->type;
    int64_t bytes;
    ensure(r->n_buffers < MAX_BUFFERS && r->n_push < MAX_PUSH);
    if (t->kind != TYPE_BUFFER) {
      r->push[r->n_push++] = (uint32_t)arg[i].bits;
      continue;
    }
    ensure(dtype_size(t->dtype, arg[i].elements, &bytes));
    r->buffer[r->n_buffers++] = open_buffer(v, arg[i].memory, bytes);
  }
}

static void make_layout(Vulkan *v, Run *r) {
  VkDescriptorSetLayoutBinding binding[MAX_BUFFERS];
  for (uint32_t i = 0; i < r->n_buffers; i++)
    binding[i] = (VkDescriptorSetLayoutBinding){.binding = i,
                                                .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                                .descriptorCount = 1,
                                                .stageFlags = VK_SHADER_STAGE_COMPUTE_BIT};
  VkDescriptorSetLayoutCreateInfo set = {
      .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, .bindingCount = r->n_buffers, .pBindings = binding};
  must(v->CreateDescriptorSetLayout(v->device, &set, NULL, &r->set_layout));
  VkPushConstantRange range = {VK_SHADER_STAGE_COMPUTE_BIT, 0, 4 * r->n_push};
  VkPipelineLayoutCreateInfo info = {.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO,
                                     .setLayoutCount = 1,
                                     .pSetLayouts = &r->set_layout,
                                     .pushConstantRangeCount = r->n_push != 0,
                                     .pPushConstantRanges = &range};
  must(v->CreatePipelineLayout(v->device, &info, NULL, &r->layout));
}

static void make_pipeline(Vulkan *v, Run *r, const SpirvKernel *k) {
  VkShaderModuleCreateInfo code = {
      .sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO, .codeSize = k->n_words * 4, .pCode = k->word};
  VkShaderModule module;
  must(v->CreateShaderModule(v->device, &code, NULL, &module));
  VkPipelineShaderStageCreateInfo stage = {.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                                           .stage = VK_SHADER_STAGE_COMPUTE_BIT,
                                           .module = module,
                                           .pName = "main"};
  VkComputePipelineCreateInfo info = {
      .sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO, .stage = stage, .layout = r->layout};
  must(v->CreateComputePipelines(v->device, VK_NULL_HANDLE, 1, &info, NULL, &r->pipeline));
  v->DestroyShaderModule(v->device, module, NULL);
}

static void bind_buffers(Vulkan *v, Run *r) {
  VkDescriptorPoolSize size = {VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, MAX_BUFFERS};
  VkDescriptorPoolCreateInfo pool = {
      .sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO, .maxSets = 1, .poolSizeCount = 1, .pPoolSizes = &size};
  must(v->CreateDescriptorPool(v->device, &pool, NULL, &r->pool));
  VkDescriptorSetAllocateInfo allocate = {.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                          .descriptorPool = r->pool,
                                          .descriptorSetCount = 1,
                                          .pSetLayouts = &r->set_layout};
  must(v->AllocateDescriptorSets(v->device, &allocate, &r->set));
  for (uint32_t i = 0; i < r->n_buffers; i++) {
    VkDescriptorBufferInfo buffer = {r->buffer[i].buffer, 0, VK_WHOLE_SIZE};
    VkWriteDescriptorSet write = {.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                  .dstSet = r->set,
                                  .dstBinding = i,
                                  .descriptorCount = 1,
                                  .descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                  .pBufferInfo = &buffer};
    v->UpdateDescriptorSets(v->device, 1, &write, 0, NULL);
  }
}

static void record(Vulkan *v, const Run *r, VkCommandBuffer c, const int64_t grid[3]) {
  VkCommandBufferBeginInfo begin = {.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                    .flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
  VkMemoryBarrier written = {.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER,
                             .srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT,
                             .dstAccessMask = VK_ACCESS_HOST_READ_BIT};
  must(v->BeginCommandBuffer(c, &begin));
  v->CmdBindPipeline(c, VK_PIPELINE_BIND_POINT_COMPUTE, r->pipeline);
  v->CmdBindDescriptorSets(c, VK_PIPELINE_BIND_POINT_COMPUTE, r->layout, 0, 1, &r->set, 0, NULL);
  if (r->n_push) v->CmdPushConstants(c, r->layout, VK_SHADER_STAGE_COMPUTE_BIT, 0, 4 * r->n_push, r->push);
  v->CmdDispatch(c, (uint32_t)grid[0], (uint32_t)grid[1], (uint32_t)grid[2]);
  v->CmdPipelineBarrier(c, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_PIPELINE_STAGE_HOST_BIT, 0, 1, &written, 0, NULL, 0,
                        NULL);
  must(v->EndCommandBuffer(c));
}

static void submit(Vulkan *v, const Run *r, const int64_t grid[3]) {
  VkCommandPool pool;
  VkCommandPoolCreateInfo info = {.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO, .queueFamilyIndex = v->family};
  must(v->CreateCommandPool(v->device, &info, NULL, &pool));
  VkCommandBufferAllocateInfo allocate = {
      .sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO, .commandPool = pool, .commandBufferCount = 1};
  VkCommandBuffer c;
  must(v->AllocateCommandBuffers(v->device, &allocate, &c));
  record(v, r, c, grid);
  VkSubmitInfo submit = {.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO, .commandBufferCount = 1, .pCommandBuffers = &c};
  must(v->QueueSubmit(v->queue, 1, &submit, VK_NULL_HANDLE));
  must(v->QueueWaitIdle(v->queue));
  v->DestroyCommandPool(v->device, pool, NULL);
}

static void end_run(Vulkan *v, Run *r) {
  v->DestroyDescriptorPool(v->device, r->pool, NULL);
  v->DestroyPipeline(v->device, r->pipeline, NULL);
  v->DestroyPipelineLayout(v->device, r->layout, NULL);
  v->DestroyDescriptorSetLayout(v->device, r->set_layout, NULL);
  for (uint32_t i = 0; i < r->n_buffers; i++) close_buffer(v, &r->buffer[i]);
}

void vulkan_run(Vulkan *v, const Func *f, const SpirvKernel *k, const int64_t grid[3], const KernelArg *arg) {
  Run r = {0};
  take_arguments(v, &r, f, arg);
  make_layout(v, &r);
  make_pipeline(v, &r, k);
  bind_buffers(v, &r);
  submit(v, &r, grid);
  end_run(v, &r);
}
